import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint'
import type { Cairn } from '@cairn/core'
import * as vitest from 'vitest'
import { cairnTargets, openCairn } from '../../core/test/harness/cairns.ts'
import { CairnCheckpointSaver } from '../src/index.ts'

// The library's specs take describe, it and expect from the global scope.
Object.assign(globalThis, vitest)
const { deltaChannelHistoryTests, validate } = await import('@langchain/langgraph-checkpoint-validation')

const { afterAll, beforeAll, describe } = vitest

describe.each(cairnTargets)('the validation library ($name)', (target) => {
  let cairn: Cairn
  let dispose: () => Promise<void>
  let instances = 0

  beforeAll(async () => {
    ;({ cairn, dispose } = await openCairn(target))
  })
  afterAll(async () => {
    await dispose?.()
  })

  const initializer = {
    checkpointerName: '@cairn/langgraph',
    createCheckpointer: (): BaseCheckpointSaver => new CairnCheckpointSaver(cairn, { namespace: `instance-${instances++}` }),
  }
  validate(initializer)
  deltaChannelHistoryTests(initializer)
})
