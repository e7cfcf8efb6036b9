/** How messages of a channel travel (S4 §9.2). */
export const CHANNEL_PATTERNS = ['broadcast', 'direct', 'topic', 'queue'] as const
/** What a channel is for (S1 §4). */
export const CHANNEL_PURPOSES = ['agent_to_agent', 'broadcast', 'system', 'monitoring'] as const
export const MESSAGE_KINDS = ['command', 'query', 'response', 'notification', 'heartbeat', 'error'] as const
export const QUEUE_KINDS = ['fifo', 'priority', 'delayed', 'retry'] as const
/** `pending` and `delivered` go on; the others are final. */
export const DELIVERY_STATUSES = ['pending', 'delivered', 'acknowledged', 'failed', 'expired', 'dead', 'cancelled'] as const

/** Of a message as a whole (S1 §4); the last three are final. */
export const MESSAGE_STATUSES = ['pending', 'sent', 'delivered', 'processed', 'failed', 'expired'] as const

export type ChannelPattern = (typeof CHANNEL_PATTERNS)[number]
export type ChannelPurpose = (typeof CHANNEL_PURPOSES)[number]
export type MessageKind = (typeof MESSAGE_KINDS)[number]
export type QueueKind = (typeof QUEUE_KINDS)[number]
export type MessageStatus = (typeof MESSAGE_STATUSES)[number]
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number]
export type FinalStatus = Exclude<DeliveryStatus, 'pending' | 'delivered'>
