import { readFileSync } from 'node:fs'
import { type ConnectionOptions, type NatsConnection, connect, credsAuthenticator } from '@nats-io/transport-node'
import { CairnError } from '../../errors/index.ts'
import { CONNECT_TIMEOUT_MS, type JetStreamOptions } from './jetstream-options.ts'
import { messageOf, toNatsError } from './jetstream-error.ts'

/** Half-open sockets are found after two unanswered pings. */
const PING_INTERVAL_MS = 10_000
const RECONNECT_WAIT_MS = 250

/** Connects, or says which server did not answer; credentials are never in the message. */
export async function connectNats(options: JetStreamOptions, name: string): Promise<NatsConnection> {
  const shown = options.servers.map(withoutCredentials).join(', ')
  try {
    return await connect({
      ...credentials(options),
      servers: options.servers.map(withoutCredentials),
      name,
      timeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      reconnect: true,
      maxReconnectAttempts: -1,
      // Else the client gives up for good when a server refuses it twice, for instance while its accounts are set up anew.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_WAIT_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: 2,
    })
  } catch (error) {
    const known = toNatsError(error, `connecting to ${shown}`)
    if (known.code === 'AUTHENTICATION_FAILED') throw known
    throw new CairnError('CONNECTION_FAILED', `NATS: no server answers at ${shown}: ${messageOf(error)}. Check that nats-server runs there (with -js) and that the URL is right.`, { cause: error, details: { servers: shown } })
  }
}

function credentials(options: JetStreamOptions): ConnectionOptions {
  const { tls, credsFile } = options
  const url = options.servers.map(parse).find((each) => each.username !== '')
  return {
    ...(credsFile === undefined ? {} : { authenticator: credsAuthenticator(readOption('NATS_CREDS_FILE', credsFile)) }),
    ...(url === undefined ? {} : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.certFile === undefined ? {} : { certFile: tls.certFile }),
            ...(tls.keyFile === undefined ? {} : { keyFile: tls.keyFile }),
            ...(tls.caFile === undefined ? {} : { caFile: tls.caFile }),
          },
        }),
  }
}

function readOption(option: string, path: string): Uint8Array {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new CairnError('INVALID_OPTION', `${option}: the file ${path} cannot be read: ${messageOf(error)}.`, { cause: error, details: { option } })
  }
}

function parse(server: string): URL {
  const text = server.includes('://') ? server : `nats://${server}`
  try {
    return new URL(text)
  } catch (error) {
    throw new CairnError('INVALID_OPTION', 'nats: a server URL is malformed. It must look like nats://host:4222.', { cause: error, details: { option: 'nats' } })
  }
}

function withoutCredentials(server: string): string {
  const url = parse(server)
  return `${url.protocol}//${url.host}`
}
