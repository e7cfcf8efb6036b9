/** A program that executes compression requests until it is killed. Its argument is JSON: { options, tenant }. */
import { open } from '../../../src/index.ts'

const { options, tenant } = JSON.parse(process.argv[2] ?? '{}')
const cairn = (await open(options)).as({ tenant })
await cairn.compression.work({ leaseMs: 1000, pollMs: 50 })
