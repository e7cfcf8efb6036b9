import type { Logger } from '../../observability/index.ts'

/** Where NATS is and how to log in. Shared by the KV and the stream engine. */
export interface NatsOptions {
  /** URLs of one cluster; user and password, or a token, may be part of the first. */
  readonly servers: string | readonly string[]
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** A .creds file with JWT and seed. */
  readonly credsFile?: string
  readonly tls?: { readonly certFile?: string; readonly keyFile?: string; readonly caFile?: string }
  /** @default 5000 */
  readonly connectTimeoutMs?: number
  /** How long to wait for an acknowledgement. @default 5000 */
  readonly requestTimeoutMs?: number
  readonly log?: Logger
}
