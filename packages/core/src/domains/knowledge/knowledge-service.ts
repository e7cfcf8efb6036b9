import { check } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { spaceOptions } from './input.ts'
import { KnowledgeSpace } from './knowledge-space.ts'
import type { SharedEmbedder } from './shared-embedder.ts'
import type { KnowledgeSpaceOptions } from './types.ts'

/** The tenant's knowledge: itself the space `default` without an embedder; `use` gives others. */
export class KnowledgeService extends KnowledgeSpace {
  readonly #context: DomainContext & { readonly shared: SharedEmbedder | undefined }

  /** `shared`: for spaces without an embedder of their own. */
  constructor(context: DomainContext, shared?: SharedEmbedder) {
    super({ ...context, shared, ...opened({}) })
    this.#context = { ...context, shared }
  }

  /** A space, which need not be made first, and what embeds its facts. Costs nothing. */
  use(options: KnowledgeSpaceOptions = {}): KnowledgeSpace {
    return new KnowledgeSpace({ ...this.#context, ...opened(options) })
  }
}

function opened(options: KnowledgeSpaceOptions) {
  const { space, embedder, embedderVersion } = check(spaceOptions, options, 'options')
  return { space, embedder, embedderVersion }
}
