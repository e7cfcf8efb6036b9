import { check } from '../../checks/index.ts'
import { TasksService } from '../tasks/index.ts'
import { PARTNERSHIPS_WITH_TRIGGERS } from './collaboration-queries.ts'
import { checkRequest, situationSchema } from './input.ts'
import type { CollaborationRequests } from './requests.ts'
import type { Room } from './room.ts'
import { judgeTrigger } from './triggers.ts'
import type { Partnership, Situation, TriggeredCollaboration } from './types.ts'

/** Asks the rules of each active partnership of the agent, and opens requests where they say so. */
export async function considerSituation(room: Room, requests: CollaborationRequests, input: Situation): Promise<TriggeredCollaboration[]> {
  const given = check(situationSchema, input, 'situation')
  const agentId = await room.agent(given.agent, 'agent')
  const task = given.taskId === undefined ? undefined : await new TasksService(room.context).get(given.taskId)
  const situation = {
    agent: given.agent,
    ...(task === undefined ? {} : { taskType: task.type, topics: task.tags, failures: task.retryCount + (task.status === 'failed' ? 1 : 0), priority: task.priority }),
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  } as Situation
  const partnerships = await room.rows<Partnership>(PARTNERSHIPS_WITH_TRIGGERS, [room.tenant, agentId])
  const considered: TriggeredCollaboration[] = []
  for (const { id: partnershipId, primaryAgentId, secondaryAgentId, type, autoTrigger, effectiveness } of partnerships) {
    const verdict = judgeTrigger(autoTrigger, situation)
    const { action = 'propose', deadlineMs } = autoTrigger
    const partnerAgentId = primaryAgentId === agentId ? secondaryAgentId : primaryAgentId
    const about = { partnershipId, partnerAgentId, action, effectiveness, ...verdict }
    if (!verdict.fires || action === 'propose') {
      considered.push({ ...about, requestId: null, isNew: false })
      continue
    }
    const name = situation.key ?? situation.taskId
    const checked = checkRequest({
      ...(name === undefined ? {} : { key: `auto:${partnershipId}:${name}` }),
      requestingAgent: agentId, targets: [partnerAgentId], type, partnership: partnershipId,
      ...(situation.userId === undefined ? {} : { userId: situation.userId }),
      ...(situation.taskId === undefined ? {} : { taskId: situation.taskId }),
      ...(situation.context === undefined ? {} : { context: situation.context }),
      ...(situation.priority === undefined ? {} : { priority: situation.priority }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
    })
    const { request, isNew } = await requests.openOnce(checked, { reasons: verdict.reasons, partnershipId, situation: name ?? null })
    considered.push({ ...about, requestId: request.id, isNew })
  }
  return considered.sort((a, b) => Number(b.fires) - Number(a.fires))
}
