import { type CairnOptions, CairnError, DEFAULT_TENANT, isCairnError, open } from '@cairn/core'
import { resolveOptions } from '@cairn/core/internal'
import { type ClientFlags, optionsFromFlags } from '../engine-flags.ts'
import { run } from '../output.ts'
import { findRunningServer } from '../running/find-server.ts'
import { StatusLine } from '../status-line.ts'
import type { CairnClient } from './cairn-client.ts'
import { httpClient } from './http-client.ts'
import { localClient } from './local-client.ts'

/**
 * The server of `--server` (or CAIRN_SERVER, unless flags name engines), else the running Cairn that has the data
 * directory open, else the engines themselves. DATA_DIR_LOCKED says how to go on when that Cairn has no address.
 */
export async function openClient(flags: ClientFlags): Promise<CairnClient> {
  const given = flags.postgres ?? flags.nats ?? flags.dataDir
  if (flags.server !== undefined && given !== undefined) {
    throw new CairnError('INVALID_OPTION', '--server names a running Cairn, --postgres, --nats and --data-dir name engines to open: give one or the other.', { details: { option: 'server' } })
  }
  const server = flags.server ?? (given === undefined ? process.env['CAIRN_SERVER'] : undefined)
  const options: CairnOptions = { actor: { kind: 'system', id: 'cli' }, ...optionsFromFlags(flags) }
  const { dataDir, postgres, nats, ...resolved } = resolveOptions(options)
  // Without a choice of one's own, a server shows its own tenant.
  const tenant = flags.tenant ?? (resolved.tenant === DEFAULT_TENANT ? undefined : resolved.tenant)
  if (server) return httpClient(server, tenant)

  const embedded = postgres === undefined || nats === undefined
  const running = embedded ? await findRunningServer(dataDir) : undefined
  if (running !== undefined) return httpClient(running, tenant)

  const status = new StatusLine()
  try {
    const cairn = await open({ ...options, onProgress: (step) => status.spin(`${step} …`) }).finally(() => status.clear())
    return localClient(cairn, embedded ? dataDir : 'the servers')
  } catch (error) {
    if (!isCairnError(error, 'DATA_DIR_LOCKED')) throw error
    const url = await findRunningServer(dataDir)
    if (url !== undefined) return httpClient(url, tenant)
    throw new CairnError('DATA_DIR_LOCKED', `${error.message} If it is a running Cairn, work through it: --server http://127.0.0.1:4100`, { cause: error, details: error.details })
  }
}

/** Runs a command on a client and closes it. */
export async function withClient(flags: ClientFlags, work: (client: CairnClient) => Promise<number | void>): Promise<number | void> {
  const client = await openClient(flags)
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** `withClient` as a whole command. */
export function runWithClient(flags: ClientFlags, work: (client: CairnClient) => Promise<number | void>): Promise<void> {
  return run(flags, () => withClient(flags, work))
}
