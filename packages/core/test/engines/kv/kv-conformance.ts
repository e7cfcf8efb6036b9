// More than 400 lines: the contract is one file, so that nobody can run a part of it and call an engine conformant.
import { afterAll, beforeAll, describe } from 'vitest'
import { changesSpec } from './conformance/changes.ts'
import { closingSpec } from './conformance/closing.ts'
import { lifeSpec } from './conformance/life.ts'
import { modelSpec } from './conformance/model.ts'
import { removalSpec } from './conformance/removal.ts'
import { revisionsSpec } from './conformance/revisions.ts'
import { valuesSpec } from './conformance/values.ts'
import type { KvSuite, KvTarget } from './conformance/suite.ts'

export { codeOf, collect, errorOf, feed, type KvTarget, until } from './conformance/suite.ts'

/** Everything the contract in kv-engine.ts promises. An engine's own test file calls it with a way to open one. */
export function kvConformance(name: string, open: () => Promise<KvTarget>): void {
  describe(`KV contract: ${name}`, () => {
    let target: KvTarget
    let count = 0
    const suite: KvSuite = {
      get target() {
        return target
      },
      fresh: (options = {}) => target.engine.bucket(`b${++count}`, options),
    }

    beforeAll(async () => {
      target = await open()
    })
    afterAll(async () => {
      await target.dispose()
    })

    valuesSpec(suite)
    revisionsSpec(suite)
    removalSpec(suite)
    changesSpec(suite)
    lifeSpec(suite)
    modelSpec(suite)
    closingSpec(suite)
  })
}
