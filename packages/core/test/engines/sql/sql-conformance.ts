import { afterAll, beforeAll, describe } from 'vitest'
import { CairnError } from '../../../src/errors/index.ts'
import { OWNER } from '../../../src/identity/index.ts'
import type { OpenOptions, SqlTestDatabase } from '../../harness/engines.ts'
import { SCHEMA, type ConformanceContext } from './conformance/context.ts'
import { copyInConformance } from './conformance/copy-in.ts'
import { identityConformance } from './conformance/identity.ts'
import { lifeConformance } from './conformance/life.ts'
import { listenConformance } from './conformance/listen.ts'
import { statementsConformance } from './conformance/statements.ts'
import { timeLimitsConformance } from './conformance/time-limits.ts'
import { transactionsConformance } from './conformance/transactions.ts'
import { valuesConformance } from './conformance/values.ts'

export interface ConformanceHooks {
  readonly open: (options?: OpenOptions) => Promise<SqlTestDatabase>
  /** Breaks every connection that the engine has, as a crash would. */
  readonly sever: (database: SqlTestDatabase) => Promise<void>
}

/** Every promise of the contract SqlEngine. An engine conforms when all of it passes. */
export function sqlConformance(name: string, hooks: ConformanceHooks): void {
  describe(`the SQL contract on ${name}`, () => {
    let database: SqlTestDatabase

    beforeAll(async () => {
      database = await hooks.open()
      await database.engine.transaction(OWNER, (session) => session.exec(SCHEMA))
    })
    afterAll(() => database.dispose())

    const context: ConformanceContext = {
      get engine() {
        return database.engine
      },
      sever: () => hooks.sever(database),
      open: hooks.open,
      one: async <Row>(...call: Parameters<ConformanceContext['one']>) => (await database.engine.query<Row>(...call)).rows[0],
      code: (run) =>
        run.then(
          () => 'no error',
          (error: unknown) => (error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`),
        ),
    }

    valuesConformance(context)
    statementsConformance(context)
    identityConformance(context)
    transactionsConformance(context)
    timeLimitsConformance(context)
    copyInConformance(context)
    listenConformance(context)
    lifeConformance(context)
  })
}
