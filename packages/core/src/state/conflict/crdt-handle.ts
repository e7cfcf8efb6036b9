import type { CrdtOperation, CrdtNode, CrdtType } from './crdt/index.ts'
import type { ConflictResult } from './conflict-writes.ts'

export interface CrdtWriteOptions {
  /** As for `set`. @default 'hot' */
  readonly ack?: 'hot' | 'durable'
  /** A retry with the same id is not applied twice: within two minutes, and as long as it is among the last 256 ids of the key. */
  readonly operationId?: string
  /** The whole entry stops being visible after this many milliseconds. @default as it was */
  readonly ttlMs?: number
}

export interface PathOptions extends CrdtWriteOptions {
  /** Names that lead through maps to the value. @default the value of the key itself */
  readonly path?: readonly string[]
}

export interface CrdtHandleDeps {
  apply(operation: CrdtOperation, options: CrdtWriteOptions): Promise<ConflictResult>
  read(): Promise<CrdtNode | undefined>
  value(): Promise<unknown>
}

/**
 * The operations of one key under a policy with the strategy `crdt`. Each is applied to what is stored, whoever wrote it, and resolves
 * with the new revision. Errors: INVALID_ARGUMENT (no such policy, another type, bad value), VERSION_CONFLICT (after many tries), those of `set`.
 */
export class CrdtHandle {
  readonly #deps: CrdtHandleDeps

  constructor(deps: CrdtHandleDeps) {
    this.#deps = deps
  }

  /** Adds a whole number to a counter; negative takes away. */
  increment(by = 1, options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'increment', by }, options)
  }

  decrement(by = 1, options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'increment', by: -by }, options)
  }

  /** Adds an element, any JSON, to a set. */
  add(value: unknown, options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'add', value }, options)
  }

  /** Takes an element out of a set, as far as it is known there. */
  remove(value: unknown, options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'remove', value }, options)
  }

  /** Replaces what is at the path. Objects become maps, all else registers, unless `as` says otherwise. */
  assign(value: unknown, options: PathOptions & { readonly as?: CrdtType } = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'assign', value, ...(options.as === undefined ? {} : { as: options.as }) }, options)
  }

  /** Assigns the leaves of an object and leaves other entries alone. */
  patch(value: Readonly<Record<string, unknown>>, options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'patch', value }, options)
  }

  /** Removes what is at the path. */
  unset(options: PathOptions = {}): Promise<ConflictResult> {
    return this.#apply({ type: 'unset' }, options)
  }

  /** Joins the state of another replica, as `state()` gave it there. */
  merge(state: unknown, options: CrdtWriteOptions = {}): Promise<ConflictResult> {
    return this.#deps.apply({ type: 'merge', state }, options)
  }

  /** The plain value; undefined when there is none. */
  get<T = unknown>(): Promise<T | undefined> {
    return this.#deps.value() as Promise<T | undefined>
  }

  /** The state behind the value, JSON, to be merged elsewhere. */
  state(): Promise<CrdtNode | undefined> {
    return this.#deps.read()
  }

  #apply(operation: CrdtOperation, { path, ...options }: PathOptions): Promise<ConflictResult> {
    return this.#deps.apply(path === undefined ? operation : ({ ...operation, path } as CrdtOperation), options)
  }
}
