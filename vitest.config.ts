import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './packages/core/test/harness/longest-first.ts'
import { NODE_FLAGS } from './packages/core/test/harness/node-flags.ts'

// Many tests start processes: what one has compiled, the next need not compile again. Set here, since a worker reads it when it starts.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'cairn-compile-cache')

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'chaos/**/*.test.ts'],
    globalSetup: ['packages/core/test/harness/global-setup.ts'],
    // Speed is the benchmark's matter: these only end what hangs, also on a machine that is busy with something else.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Each file starts its own PGlite or database; two cores carry two of them.
    maxWorkers: 2,
    pool: 'forks',
    execArgv: [...NODE_FLAGS],
    // Node loads TypeScript itself: no file is transformed a second time, and what it compiled is cached for all processes.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // No test but those of recall needs vectors, and the offline model would take the cores from the others.
    env: { CAIRN_EMBEDDER: 'none' },
    isolate: true,
    sequence: { sequencer: LongestFirst },
  },
})
