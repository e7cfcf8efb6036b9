import pg from 'pg'
import { CairnError } from '../../errors/index.ts'
import { copyLine } from './copy-text.ts'
import type { SqlConnection } from './sql-connection.ts'

/** Lines are sent in pieces of about this size: one round trip each, and the memory it takes. */
const CHUNK_BYTES = 1 << 20
/** Dropped at the end of the transaction; one connection runs one transaction. */
const STAGE = 'pg_temp.cairn_copy'

/**
 * COPY inside the transaction that `connection` is in. COPY itself refuses tables with row-level security;
 * for those the rows go to a temporary table and from there through INSERT, which the policies check.
 */
export async function copyRows(
  connection: SqlConnection,
  table: string,
  columns: readonly string[],
  rows: Iterable<readonly unknown[]> | AsyncIterable<readonly unknown[]>,
): Promise<number> {
  if (columns.length === 0) throw new CairnError('INVALID_ARGUMENT', 'copyIn: name at least one column.')
  const target = table.split('.').map((part) => pg.escapeIdentifier(part)).join('.')
  const names = columns.map((column) => pg.escapeIdentifier(column)).join(', ')
  const secured = await connection.query<{ active: boolean }>('SELECT row_security_active($1::regclass) AS active', [target])
  const staged = secured.rows[0]?.active === true
  if (staged) await connection.exec(`CREATE TEMPORARY TABLE cairn_copy ON COMMIT DROP AS SELECT ${names} FROM ${target} WITH NO DATA`)

  const statement = `COPY ${staged ? STAGE : target} (${names}) FROM STDIN`
  let copied = 0
  let lines: string[] = []
  let size = 0
  let index = 0
  const send = async () => {
    copied += await connection.copy(statement, Buffer.from(lines.join('')))
    lines = []
    size = 0
  }
  for await (const row of rows) {
    const line = copyLine(row, columns.length, index)
    index += 1
    lines.push(line)
    size += line.length
    if (size >= CHUNK_BYTES) await send()
  }
  if (lines.length > 0) await send()
  if (!staged || copied === 0) return copied
  const inserted = await connection.query(`INSERT INTO ${target} (${names}) SELECT ${names} FROM ${STAGE}`)
  return inserted.rowCount
}
