import type { Cairn, EventDelivery, SubscribeOptions } from '../../../src/index.ts'

/** Deliveries of a consumer until there are `count` or `patienceMs` have passed; each is acknowledged unless `settle` does something else. */
export async function takeEvents(
  cairn: Cairn,
  options: SubscribeOptions,
  count: number,
  patienceMs = 25_000,
  settle: (event: EventDelivery) => Promise<void> = (event) => event.ack(),
): Promise<EventDelivery[]> {
  const events: EventDelivery[] = []
  const patience = AbortSignal.timeout(patienceMs)
  for await (const event of cairn.events.subscribe({ ...options, signal: patience })) {
    await settle(event)
    if (events.push(event) === count) break
  }
  return events
}
