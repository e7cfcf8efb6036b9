import { startPostgres } from '../packages/core/test/harness/postgres-server.ts'
import { open } from '../packages/core/src/index.ts'
import { readLocomo } from './recall/locomo.ts'
import { cheapEmbedder, measureSpeed } from './recall/speed.ts'
import { mkdtempSync } from 'node:fs'
const pg = await startPostgres()
const files = ['26','30'].map((n) => readLocomo(`/work/shared/data/locomo/${n}.json`))
const log = { debug(){}, info(){}, warn(f: object, m: string){ if (process.env.V) console.log(m, JSON.stringify(f).slice(0,900)) }, error(f: object, m: string){ console.log(m, f) } }
const cairn = await open({ postgres: { url: pg.url, slowStatementMs: 20 }, dataDir: mkdtempSync('/tmp/rc/d'), embedder: cheapEmbedder(), recall: { embed: false }, logger: log })
for (const size of process.argv.slice(2).map(Number)) { const s = await measureSpeed(cairn, files, size, process.env.VEC !== '0', 100, console.log); console.log(JSON.stringify(s)) }
await cairn.close(); await pg.dispose()
