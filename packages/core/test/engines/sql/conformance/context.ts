import type { SqlEngine } from '../../../../src/engines/sql/index.ts'
import type { Identity, TenantIdentity } from '../../../../src/identity/index.ts'
import type { OpenOptions, SqlTestDatabase } from '../../../harness/engines.ts'

/** What every part of the suite works with. */
export interface ConformanceContext {
  /** The engine under test, on a migrated database with the tables of `SCHEMA`. */
  readonly engine: SqlEngine
  /** Breaks every connection that the engine has, as a crash would. */
  sever(): Promise<void>
  /** Another database on the same kind of engine. */
  open(options?: OpenOptions): Promise<SqlTestDatabase>
  /** The first row of a query. */
  one<Row>(identity: Identity, text: string, values?: unknown[]): Promise<Row | undefined>
  /** The code of the CairnError that `run` rejects with. */
  code(run: Promise<unknown>): Promise<string>
}

export const tenant = (name: string): TenantIdentity => ({ role: 'application', tenant: name, actor: { kind: 'user', id: 'u1' } })
export const A = tenant('a')
export const B = tenant('b')

export const SCHEMA = `
CREATE TYPE types.shade AS ENUM ('light', 'dark', 'a,b');
CREATE TABLE public.notes (tenant_id text NOT NULL, id integer NOT NULL, body text, meta jsonb, PRIMARY KEY (tenant_id, id));
SELECT security.protect('public.notes');
CREATE TABLE public.counters (name text PRIMARY KEY, value bigint NOT NULL CHECK (value >= 0));
GRANT SELECT, INSERT, UPDATE, DELETE ON public.counters TO application_user, maintenance_user;
`

/** Busy for hours, with little memory. */
export const ENDLESS = 'SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 1000000) b'
