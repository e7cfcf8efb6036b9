import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, type Compilable } from 'kysely'
import type { Database } from '../../generated/database.ts'
import type { SqlResult, SqlSession } from './sql-engine.ts'

/**
 * Composes SQL with types, for filters and pages that differ from call to call; it never connects.
 * Statements that are always the same are plain SQL in `<name>-queries.ts`.
 */
export const compose: Kysely<Database> = new Kysely<Database>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})

/** Runs what was composed, in a transaction's session or in anything that has its `query`. */
export function runComposed<Row>(session: Pick<SqlSession, 'query'>, builder: Compilable<Row>): Promise<SqlResult<Row>> {
  const { sql, parameters } = builder.compile()
  return session.query<Row>(sql, parameters)
}
