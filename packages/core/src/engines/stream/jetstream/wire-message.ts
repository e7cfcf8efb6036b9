import { type Msg, type MsgHdrs, headers as makeHeaders } from '@nats-io/transport-node'
import type { StreamMessage } from '../stream-engine.ts'
import type { WireNames } from './wire-names.ts'

const MESSAGE_ID = 'Nats-Msg-Id'
const RESERVED = /^(nats|cairn)-/i

/** What a dead letter tells of the message it was. */
const ORIGINAL = {
  subject: 'Cairn-Original-Subject',
  sequence: 'Cairn-Original-Sequence',
  id: 'Cairn-Original-Id',
  publishedAt: 'Cairn-Original-Time',
  deliveries: 'Cairn-Deliveries',
  source: 'Cairn-Source-Sequence',
} as const

/** Set by the server on a message that it copies from another stream. */
const SOURCE_SEQUENCE = 'Nats-Sequence'

/** What the reply subject of a delivered message tells. */
interface DeliveryFacts {
  readonly deliveries: number
  readonly sequence: number
  readonly publishedAt: Date
}

export function wireHeaders(id: string, headers: Readonly<Record<string, string>>): MsgHdrs {
  const wire = makeHeaders()
  wire.set(MESSAGE_ID, id)
  for (const [name, value] of Object.entries(headers)) wire.set(name, value)
  return wire
}

export function readMessage(message: Msg, stream: string, names: WireNames): StreamMessage {
  const facts = deliveryFacts(message.reply ?? '')
  const id = message.headers?.get(MESSAGE_ID) ?? ''
  // A message that was not published by us may have no id.
  const source = message.headers?.get(SOURCE_SEQUENCE) ?? ''
  return {
    id: id === '' ? `${stream}:${facts.sequence}` : id,
    subject: names.plain(message.subject),
    payload: readPayload(message),
    headers: userHeaders(message.headers),
    ...facts,
    ...(source === '' ? {} : { sourceSequence: Number(source) }),
  }
}

/** Position of a delivered message in its stream and in the order of its consumer. */
export function readPlace(message: Msg): { readonly sequence: number; readonly order: number } {
  const tokens = (message.reply ?? '').split('.')
  const at = tokens.length >= 11 ? 6 : 4
  return { sequence: Number(tokens[at + 1]), order: Number(tokens[at + 2]) }
}

export function deadLetterHeaders(message: StreamMessage, stream: string, consumer: string): MsgHdrs {
  const wire = wireHeaders(`${stream}:${consumer}:${message.sequence}`, message.headers)
  wire.set(ORIGINAL.subject, message.subject)
  wire.set(ORIGINAL.sequence, String(message.sequence))
  wire.set(ORIGINAL.id, message.id)
  wire.set(ORIGINAL.publishedAt, message.publishedAt.toISOString())
  wire.set(ORIGINAL.deliveries, String(message.deliveries))
  if (message.sourceSequence !== undefined) wire.set(ORIGINAL.source, String(message.sourceSequence))
  return wire
}

/** The message that a dead letter was. */
export function readDeadLetter(message: Msg): StreamMessage {
  const of = (name: string): string => message.headers?.get(name) ?? ''
  return {
    id: of(ORIGINAL.id),
    subject: of(ORIGINAL.subject),
    payload: readPayload(message),
    headers: userHeaders(message.headers),
    sequence: Number(of(ORIGINAL.sequence)),
    publishedAt: new Date(of(ORIGINAL.publishedAt)),
    deliveries: Number(of(ORIGINAL.deliveries)),
    ...(of(ORIGINAL.source) === '' ? {} : { sourceSequence: Number(of(ORIGINAL.source)) }),
  }
}

/** Where a dead letter lies and whose it is. */
export function deadLetterPlace(message: Msg, names: WireNames): { sequence: number; stream: string; consumer: string; buriedAt: Date } {
  const { sequence, publishedAt } = deliveryFacts(message.reply ?? '')
  const [, stream = '', ...consumer] = names.plain(message.subject).split('.')
  return { sequence, stream, consumer: consumer.join('='), buriedAt: publishedAt }
}

/** `$JS.ACK.[domain.account.]stream.consumer.deliveries.stream seq.consumer seq.nanoseconds.pending[.token]` */
function deliveryFacts(reply: string): DeliveryFacts {
  const tokens = reply.split('.')
  const at = tokens.length >= 11 ? 6 : 4
  return { deliveries: Number(tokens[at]), sequence: Number(tokens[at + 1]), publishedAt: new Date(Math.floor(Number(tokens[at + 3]) / 1e6)) }
}

function userHeaders(headers: MsgHdrs | undefined): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of headers?.keys() ?? []) if (!RESERVED.test(name)) found[name] = headers?.get(name) ?? ''
  return found
}

/** Other programs may publish what is not JSON; it is handed on as text. */
function readPayload(message: Msg): unknown {
  const text = message.string()
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
