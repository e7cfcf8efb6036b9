import { check } from '../../checks/index.ts'
import type { DomainContext } from '../domain-context.ts'
import { spaceOptions } from './input.ts'
import { KnowledgeSpace } from './knowledge-space.ts'
import type { KnowledgeSpaceOptions } from './types.ts'

/** The tenant's knowledge: itself the space `default` without an embedder; `use` gives others. */
export class KnowledgeService extends KnowledgeSpace {
  readonly #context: DomainContext

  constructor(context: DomainContext) {
    super({ ...context, ...opened({}) })
    this.#context = context
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
