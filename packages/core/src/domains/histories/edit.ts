import { historyJson } from './history-json.ts'
import { itemsJson } from './input.ts'

export interface Stored {
  readonly seq: number
  readonly item: unknown
}

/** The fewest rows to write so that `before` becomes `after`. */
export interface EditPlan {
  readonly set: number[]
  readonly items: unknown[]
  readonly remove: number[]
  readonly append: unknown[]
}

/**
 * What is equal at the beginning and at the end stays untouched. Between them, items are set in place and superfluous ones
 * removed; when there are more than before, what follows them is written anew behind them, for positions have no room between.
 */
export function planEdit(before: readonly Stored[], after: readonly unknown[]): EditPlan {
  const old = before.map(({ item }) => historyJson(item, 'item'))
  const now = after.map((item, index) => historyJson(item, `items[${index}]`))
  let head = 0
  while (head < old.length && head < now.length && old[head] === now[head]) head++
  let tail = 0
  while (tail < old.length - head && tail < now.length - head && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail++
  if (now.length > old.length) tail = 0
  const oldEnd = old.length - tail
  const nowEnd = now.length - tail
  const shared = Math.min(oldEnd, nowEnd)
  const plan: EditPlan = { set: [], items: [], remove: [], append: after.slice(shared, nowEnd) }
  for (let index = head; index < oldEnd; index++) {
    const { seq } = before[index] as Stored
    if (index >= shared) plan.remove.push(seq)
    else if (old[index] !== now[index]) {
      plan.set.push(seq)
      plan.items.push(after[index])
    }
  }
  return plan
}

export const planItems = (plan: EditPlan): { items: string; append: string } => ({ items: itemsJson('items', plan.items), append: itemsJson('items', plan.append) })
