import { CairnError, isCairnError } from '../../errors/index.ts'
import { canonicalJson } from '../canonical-json.ts'

/** One of the two values that a merge function gets. */
export interface MergeSide<T = unknown> {
  readonly value: T
  readonly writtenAt: Date
}

/**
 * Makes one value of two. It must be pure, and its result must not depend on the process it runs in. Under `vector` the
 * earlier written value comes first; under `custom` the stored one comes first and the incoming one second.
 */
export type MergeFunction<T = unknown> = (current: MergeSide<T>, incoming: MergeSide<T>, where: { readonly agentId: string; readonly key: string }) => T

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$/

/** The merge functions of this process, by name. Policies name them; every process that writes under such a policy must define them. */
export class MergeRegistry {
  readonly #functions = new Map<string, MergeFunction>()
  readonly #onDefine: () => void

  constructor(onDefine: () => void = () => undefined) {
    this.#onDefine = onDefine
  }

  /** INVALID_ARGUMENT for a bad name; DUPLICATE_KEY when the name has another function already. */
  define<T = unknown>(name: string, given: MergeFunction<T>): void {
    const merge = given as unknown as MergeFunction
    checkMergeName(name)
    if (typeof merge !== 'function') throw new CairnError('INVALID_ARGUMENT', `merge: what is to be called ${JSON.stringify(name)} is not a function.`, { details: { field: 'merge' } })
    const known = this.#functions.get(name)
    if (known !== undefined && known !== merge) throw new CairnError('DUPLICATE_KEY', `A merge function ${JSON.stringify(name)} is defined already. Remove it first, or use another name.`, { details: { name } })
    this.#functions.set(name, merge)
    this.#onDefine()
  }

  /** False when there was none. */
  remove(name: string): boolean {
    return this.#functions.delete(name)
  }

  list(): string[] {
    return [...this.#functions.keys()].sort()
  }

  has(name: string): boolean {
    return this.#functions.has(name)
  }

  /** Canonical JSON of the merged value. MERGE_UNDEFINED, MERGE_FAILED. */
  run(name: string, current: MergeSide, incoming: MergeSide, where: { agentId: string; key: string }): string {
    const merge = this.#functions.get(name)
    if (merge === undefined) {
      throw new CairnError('MERGE_UNDEFINED', `state ${JSON.stringify(where.key)}: its policy names the merge function ${JSON.stringify(name)}, which this process has not defined. Call state.merges.define(${JSON.stringify(name)}, …) before writing.`, {
        details: { merge: name, ...where },
      })
    }
    try {
      return canonicalJson(merge(current, incoming, where))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new CairnError('MERGE_FAILED', `state ${JSON.stringify(where.key)}: the merge function ${JSON.stringify(name)} ${isCairnError(cause, 'SERIALIZATION_ERROR') ? 'gave back what is not JSON' : 'failed'}: ${why}`, {
        cause, details: { merge: name, ...where },
      })
    }
  }
}

export function checkMergeName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw new CairnError('INVALID_ARGUMENT', `merge: ${JSON.stringify(name)} is not a name. Use 1 to 100 of A-Z a-z 0-9 _ . : -, beginning with a letter or digit.`, { details: { field: 'merge' } })
  }
}
