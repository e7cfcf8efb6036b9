import { CairnError } from '../../errors/index.ts'
import type { SagaDefinition } from './definition.ts'

/** The definitions of this process, for all of its tenants. */
export class SagaDefinitions {
  readonly #byHash = new Map<string, SagaDefinition>()
  readonly #newest = new Map<string, SagaDefinition>()

  get hashes(): string[] {
    return [...this.#byHash.keys()]
  }

  /** DUPLICATE_KEY when this name has been defined with the same version and steps. */
  add(definition: SagaDefinition): void {
    const { name, hash } = definition
    if (this.#byHash.has(hash)) {
      throw new CairnError('DUPLICATE_KEY', `name: the saga ${JSON.stringify(name)} is defined already in this process. Define it once, or give the changed one another version.`, { details: { field: 'name', name } })
    }
    this.#byHash.set(hash, definition)
    this.#newest.set(name, definition)
  }

  byHash(hash: string): SagaDefinition | undefined {
    return this.#byHash.get(hash)
  }

  /** The one defined last under this name. @throws NOT_FOUND */
  get(name: string): SagaDefinition {
    const found = this.#newest.get(name)
    if (found !== undefined) return found
    throw new CairnError('NOT_FOUND', `name: no saga ${JSON.stringify(name)} is defined in this process. Call sagas.define(name, steps) before sagas.start(name, input).`, { details: { name } })
  }
}
