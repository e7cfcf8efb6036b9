/** A process that calls a model, for the tests. Its argument is JSON: { options, tenant, calls, failEvery }. */
import { open } from '../../../src/index.ts'

const { options, tenant, calls, failEvery } = JSON.parse(process.argv[2] ?? '{}') as { options: Parameters<typeof open>[0]; tenant: string; calls: number; failEvery: number }
await using root = await open({ ...options, migrate: 'check' })
const { models } = root.as({ tenant })
await Promise.all(
  Array.from({ length: calls }, (_, n) =>
    models
      .call('shared', ({ usage }) => {
        usage({ inputTokens: 3, outputTokens: 4 })
        if (n % failEvery === 0) throw new Error('failed')
      }, { breaker: false })
      .catch(() => undefined),
  ),
)
