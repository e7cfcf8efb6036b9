import { confidenceOf } from './statistics.ts'
import type { LearnedPatterns } from './types.ts'

/** Whether a version may be due after so many messages: looked at after 1, 5, and every tenth. */
export function isLookedAt(messages: number): boolean {
  return messages === 1 || messages === 5 || messages % 10 === 0
}

const STYLE = ['formality', 'politeness', 'emoji', 'exclamation', 'questions'] as const
const STYLE_STEP = 0.1
const CONFIDENCE_STEPS = [0.25, 0.5, 0.75, 0.9]

export interface Snapshot {
  readonly learned: LearnedPatterns
  readonly messages: number
}

/** What has changed so much that it deserves a version of its own; empty when nothing has. */
export function materialChanges(before: Snapshot, now: Snapshot): string[] {
  const reasons: string[] = []
  const [old, style] = [before.learned.communicationStyle, now.learned.communicationStyle]
  for (const name of STYLE) if (Math.abs(style[name] - old[name]) >= STYLE_STEP - 1e-9) reasons.push(`${name}: ${old[name]} → ${style[name]}`)
  if (style.messageLength !== old.messageLength) reasons.push(`messageLength: ${old.messageLength} → ${style.messageLength}`)
  const known = new Set(before.learned.preferredTopics.slice(0, 5).map(({ term }) => term))
  const fresh = now.learned.preferredTopics.slice(0, 5).filter(({ term }) => !known.has(term))
  if (fresh.length >= 2) reasons.push(`topics: ${fresh.map(({ term }) => term).join(', ')}`)
  for (const [name, value] of Object.entries(now.learned.learningPreferences) as [keyof LearnedPatterns['learningPreferences'], unknown][]) {
    const was = before.learned.learningPreferences[name]
    if (value !== was) reasons.push(`${name}: ${String(was)} → ${String(value)}`)
  }
  const step = CONFIDENCE_STEPS.find((each) => confidenceOf(before.messages) < each && confidenceOf(now.messages) >= each)
  if (step !== undefined) reasons.push(`confidence reached ${step}`)
  return reasons
}
