import { execFile } from 'node:child_process'
import { chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findPostgres } from './find-postgres.ts'
import { type PostgresServer, startPostgres } from './postgres-server.ts'

export interface PostgresReplica extends PostgresServer {
  /** Makes it take writes, and resolves when it does. */
  promote(): Promise<void>
}

/** A standby that follows `primary` by streaming; both have the same users and passwords. */
export async function startReplica(primary: PostgresServer): Promise<PostgresReplica> {
  const bin = findPostgres('pg_basebackup', 'pg_ctl')
  const owner = await stat(primary.root)
  const as = process.getuid?.() === 0 ? { uid: owner.uid, gid: owner.gid } : {}
  const root = await mkdtemp(join(tmpdir(), 'cairn-pg-replica-'))
  await chown(root, owner.uid, owner.gid)
  const dataDir = join(root, 'data')
  const { password } = new URL(primary.url)
  const run = (program: string, flags: readonly string[]) =>
    promisify(execFile)(join(bin, program), [...flags], { ...as, cwd: root, env: { PATH: process.env['PATH'], LC_ALL: 'C', PGPASSWORD: password } })
  await run('pg_basebackup', ['-D', dataDir, '-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres', '-R', '-X', 'stream', '-c', 'fast', '--no-sync'])
  await chmod(dataDir, 0o700)
  await writeFile(join(root, 'password'), password, { mode: 0o600 })
  const server = await startPostgres({ dataDir: root, fsync: false, settings: { max_standby_streaming_delay: '1s' } })
  return {
    ...server,
    get pid() {
      return server.pid
    },
    promote: async () => void (await run('pg_ctl', ['promote', '-D', dataDir, '-w'])),
    async dispose() {
      await server.dispose()
      await rm(root, { recursive: true, force: true })
    },
  }
}
