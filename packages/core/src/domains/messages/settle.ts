import { CairnError } from '../../errors/index.ts'
import { check } from '../../checks/index.ts'
import { FINISH, RETRY_LATER } from './inbox-queries.ts'
import { settleInput } from './input.ts'
import type { MessageRoom } from './room.ts'
import type { Settlement } from './types.ts'

/** By the numbers of the lease; see MessagesService.settle. */
export async function settle(room: MessageRoom, input: Settlement): Promise<void> {
  const { deliveryId, leaseNo, outcome, delayMs, error } = check(settleInput, input, 'settlement')
  const finish = async (status: string): Promise<boolean> =>
    (await room.sql.query(room.identity, FINISH, [room.tenant, [deliveryId], [leaseNo], [status], [error ?? null]], { name: 'messages_finish' })).rows.length > 0
  // A delivery that cannot be tried again is dead.
  const later = async (): Promise<boolean> =>
    (await room.sql.query(room.identity, RETRY_LATER, [room.tenant, deliveryId, leaseNo, delayMs, error ?? null], { name: 'messages_retry' })).rowCount > 0 || finish('dead')
  const accepted = await (outcome === 'ack' ? room.acks.ack(deliveryId, leaseNo) : outcome === 'nack' ? later() : finish('failed'))
  if (accepted) return
  throw new CairnError('DELIVERY_LOST', `Delivery ${deliveryId} is not held under the lease ${leaseNo}: its time was over, or it is done already.`, { details: { deliveryId, leaseNo } })
}
