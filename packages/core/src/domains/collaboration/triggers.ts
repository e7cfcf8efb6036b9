import { TASK_PRIORITIES } from '../tasks/index.ts'
import type { AutoTriggerConditions, Situation, TriggerVerdict } from './types.ts'

/**
 * Whether the rules say that this situation is one for the partnership, and why. Each condition that is set is a sentence in `reasons` when it holds,
 * else in `missing`. Without a condition nothing ever fires.
 */
export function judgeTrigger(conditions: AutoTriggerConditions, situation: Situation): TriggerVerdict {
  const reasons: string[] = []
  const missing: string[] = []
  const say = (holds: boolean, reason: string, otherwise: string): void => void (holds ? reasons.push(reason) : missing.push(otherwise))
  const { taskTypes, topics, minFailures, belowConfidence, minPriority } = conditions
  if (taskTypes !== undefined) {
    const type = situation.taskType
    const pattern = type === undefined ? undefined : taskTypes.find((each) => (each.endsWith('*') ? type.startsWith(each.slice(0, -1)) : each === type))
    say(pattern !== undefined, `the task type ${String(type)} is ${String(pattern)}`, `the task type ${type ?? '(none)'} is none of ${taskTypes.join(', ')}`)
  }
  if (topics !== undefined) {
    const given = new Set((situation.topics ?? []).map((topic) => topic.toLowerCase()))
    const shared = topics.filter((topic) => given.has(topic.toLowerCase()))
    say(shared.length > 0, `the topic is ${shared.join(', ')}`, `the topics are none of ${topics.join(', ')}`)
  }
  if (minFailures !== undefined) {
    const failures = situation.failures ?? 0
    say(failures >= minFailures, `it failed ${failures} times (from ${minFailures} on)`, `it failed ${failures} times, not yet ${minFailures}`)
  }
  if (belowConfidence !== undefined) {
    const { confidence } = situation
    say(confidence !== undefined && confidence < belowConfidence, `the confidence ${String(confidence)} is below ${belowConfidence}`, `the confidence ${confidence ?? '(unknown)'} is not below ${belowConfidence}`)
  }
  if (minPriority !== undefined) {
    const priority = situation.priority ?? 'normal'
    say(TASK_PRIORITIES.indexOf(priority) >= TASK_PRIORITIES.indexOf(minPriority), `the priority is ${priority} (from ${minPriority} on)`, `the priority ${priority} is below ${minPriority}`)
  }
  const fires = reasons.length > 0 && (conditions.match === 'any' || missing.length === 0)
  return { fires, reasons, missing }
}
