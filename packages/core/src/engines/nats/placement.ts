import type { JetStreamManager, Placement, StreamInfo } from '@nats-io/jetstream'
import { type NatsConnection, compare, parseSemVer } from '@nats-io/transport-node'
import { CairnError } from '../../errors/index.ts'
import { NO_SUITABLE_PEERS, isApiError } from './jetstream-error.ts'

/** Where a stream lies in a cluster of servers: only on those of this cluster that have all of these tags. */
export interface NatsPlacement {
  readonly cluster?: string
  /** As in the servers' `server_tags`. */
  readonly tags?: readonly string[]
}

/** One place for all streams and buckets, and others for those that are named (without prefix): `{ streams: { AGENT_STATE: { tags: ['agent-state'] } } }`. */
export interface NatsPlacementOptions extends NatsPlacement {
  readonly streams?: Readonly<Record<string, NatsPlacement>>
}

/** As the server wants it, for the stream or bucket of this name; undefined: anywhere. A name of its own takes the place of the common one, part by part. */
export function placementOf(options: NatsPlacementOptions | undefined, name: string): Placement | undefined {
  if (options === undefined) return undefined
  const { cluster, tags } = { cluster: options.cluster, tags: options.tags, ...options.streams?.[name] }
  if (cluster === undefined && (tags === undefined || tags.length === 0)) return undefined
  return { ...(cluster === undefined ? {} : { cluster }), ...(tags === undefined ? {} : { tags: [...tags] }) } as Placement
}

/** INVALID_OPTION where a place was asked for and the server belongs to no cluster: it would ignore it, or refuse each stream in its own words. */
export function assertPlaceable(options: NatsPlacementOptions | undefined, connection: NatsConnection): void {
  if (options === undefined || connection.info?.cluster !== undefined) return
  const asked = placementOf(options, '') ?? Object.keys(options.streams ?? {}).map((name) => placementOf(options, name)).find((place) => place !== undefined)
  if (asked === undefined) return
  throw new CairnError('INVALID_OPTION', `nats.placement: the server ${connection.getServer()} stands alone, and only a cluster has places to choose from. Connect to a cluster, or leave placement out.`, {
    details: { option: 'nats.placement' },
  })
}

/** True when two places are the same to a server. */
export function samePlacement(a: Placement | undefined, b: Placement | undefined): boolean {
  return (a?.cluster ?? '') === (b?.cluster ?? '') && [...(a?.tags ?? [])].sort().join() === [...(b?.tags ?? [])].sort().join()
}

/** Before it, a server may lose what a stream of one copy holds when it moves it, or leave it without a leader for good (nats-server 4413). */
const MOVES_ONE_COPY = '2.9.22'

/** What the functions below ask of the server. */
export interface NatsServerFacts {
  readonly clustered: boolean
  readonly version: string
}

export function serverFacts({ info }: NatsConnection): NatsServerFacts {
  return { clustered: info?.cluster !== undefined, version: info?.version ?? '0.0.0' }
}

/**
 * Refuses to move a stream that has one copy, or would have to, where the server cannot do it safely. The stream is then as it was.
 * @throws CAPABILITY_MISSING
 */
export async function assertMovable(jsm: JetStreamManager, existing: StreamInfo, replicas: number, place: Placement | undefined, server: NatsServerFacts): Promise<void> {
  if (place === undefined || replicas > 1 || compare(parseSemVer(server.version), parseSemVer(MOVES_ONE_COPY)) >= 0) return
  const { name, num_replicas: copies } = existing.config
  if (copies !== (await jsm.streams.info(name)).config.num_replicas) await jsm.streams.update(name, existing.config)
  const remedy = copies > 1 ? 'Let more servers have these tags' : 'Raise replicas first'
  throw new CairnError('CAPABILITY_MISSING', `nats.placement: the stream ${name} would move to ${place.tags?.join(', ') ?? place.cluster ?? 'another place'} as one copy, and nats-server ${server.version} may lose it on the way. ${remedy}, update the servers to ${MOVES_ONE_COPY} or later, or leave its placement as it was.`, {
    details: { option: 'nats.placement', stream: name, serverVersion: server.version },
  })
}

/** The server's words for "nowhere", in ours; other errors as they are. */
export function toPlacementError(error: unknown, stream: string, place: Placement | undefined): unknown {
  if (place === undefined || !isApiError(error, NO_SUITABLE_PEERS)) return error
  const wanted = [place.cluster === undefined ? '' : ` of the cluster ${place.cluster}`, place.tags === undefined || place.tags.length === 0 ? '' : ` with the tags ${place.tags.join(', ')}`].join('')
  return new CairnError('INVALID_OPTION', `nats.placement: no server${wanted} can hold the stream ${stream}. Give a server these tags (server_tags), or change placement.`, {
    cause: error,
    details: { option: 'nats.placement', stream, cluster: place.cluster ?? null, tags: place.tags ?? [] },
  })
}
