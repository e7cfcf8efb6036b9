import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const QUICK_START = new URL('packages/core/test/harness/quick-start.mjs', import.meta.url).href

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'chaos/**/*.test.ts'],
    globalSetup: ['packages/core/test/harness/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Each file starts its own PGlite or database; two cores carry two of them.
    maxWorkers: 2,
    pool: 'forks',
    execArgv: ['--conditions=source', '--disable-warning=ExperimentalWarning', '--import', QUICK_START],
    // Node loads TypeScript itself: no file is transformed a second time, and what it compiled is cached for all processes.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // No test but those of recall needs vectors, and the offline model would take the cores from the others.
    // Many tests start processes: what one has compiled, the next need not compile again.
    env: { CAIRN_EMBEDDER: 'none', NODE_COMPILE_CACHE: join(tmpdir(), 'cairn-compile-cache'), NODE_OPTIONS: `--import=${QUICK_START}` },
    isolate: true,
  },
})
