import type { TenantIdentity } from '../../identity/index.ts'
import type { LineageCore } from './lineage-core.ts'
import { LineageSpace } from './lineage-space.ts'
import type { LineageSpaceOptions } from './lineage-types.ts'
import { SpaceContext } from './space-context.ts'

/**
 * Chains of checkpoints by thread, for whoever runs graphs or loops that must go on where they stopped. What is stored
 * is opaque bytes; `@cairn/langgraph` is built on this.
 */
export class LineagesService {
  readonly #core: LineageCore
  readonly #identity: TenantIdentity

  constructor(core: LineageCore, identity: TenantIdentity) {
    this.#core = core
    this.#identity = identity
  }

  /** The threads of one namespace; cheap, nothing is opened. INVALID_OPTION for options that do not go together. */
  space(options: LineageSpaceOptions = {}): LineageSpace {
    return new LineageSpace(new SpaceContext(this.#core, this.#identity.tenant, options))
  }

  /**
   * Removes what has expired, now; it is done every minute anyway, by each process. Expired checkpoints on which others are
   * built wait for those. Resolves with the number removed.
   */
  sweep(): Promise<number> {
    return this.#core.sweep(this.#identity.tenant)
  }
}
