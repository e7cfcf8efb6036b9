import type { PgliteEngine } from '../../../src/engines/sql/index.ts'
import { sqlTargets } from '../../harness/engines.ts'
import { sqlConformance } from './sql-conformance.ts'

const target = sqlTargets.find(({ name }) => name === 'pglite')
if (target === undefined) throw new Error('the harness has no PGlite')

sqlConformance('PGlite', {
  open: target.open,
  sever: ({ engine }) => (engine as PgliteEngine).crash(),
})
