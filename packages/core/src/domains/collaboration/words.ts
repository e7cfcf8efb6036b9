/** `pending` → accepted, declined; `accepted` → in_progress; `in_progress` → completed, failed; each of these three → expired, cancelled. */
export const COLLABORATION_STATUSES = ['pending', 'accepted', 'in_progress', 'completed', 'failed', 'declined', 'expired', 'cancelled'] as const
export type CollaborationStatus = (typeof COLLABORATION_STATUSES)[number]

/** What may follow; the database enforces the same. */
export const COLLABORATION_TRANSITIONS: Readonly<Record<CollaborationStatus, readonly CollaborationStatus[]>> = {
  pending: ['accepted', 'declined', 'expired', 'cancelled'],
  accepted: ['in_progress', 'expired', 'cancelled'],
  in_progress: ['completed', 'failed', 'expired', 'cancelled'],
  completed: [],
  failed: [],
  declined: [],
  expired: [],
  cancelled: [],
}

export const COLLABORATION_ANSWERS = ['pending', 'accepted', 'declined'] as const
export type CollaborationAnswer = (typeof COLLABORATION_ANSWERS)[number]

/** How insights become one; docs/reference/collaboration.md has the formulae. */
export const FUSION_METHODS = ['weighted_consensus', 'majority', 'ranked', 'confidence_weighted', 'semantic'] as const
export type FusionMethod = (typeof FUSION_METHODS)[number]
