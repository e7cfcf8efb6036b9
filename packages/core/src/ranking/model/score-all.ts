import type { BoostedTrees, TreeNode } from './trees.ts'

/** Leaves that a tree has at most: a bit for each in 32, one of which says that there is another. */
const MOST_LEAVES = 31

/**
 * Every question of every tree, by measure and rising threshold. A candidate answers "more" to the first so many of each measure, and each
 * such answer rules out the leaves left of it in its tree; the first leaf that is left is the one it comes to. So no step waits for the
 * one before, which a walk down the trees does at each node.
 */
interface Questions {
  /** Where each measure's begin; one more at the end. */
  readonly starts: Int32Array
  readonly thresholds: Float64Array
  readonly trees: Int32Array
  /** The leaves that an answer "more" leaves, as bits. */
  readonly left: Int32Array
  /** What the leaves give, MOST_LEAVES for each tree. */
  readonly leaves: Float64Array
}

const prepared = new WeakMap<BoostedTrees, Questions>()

/** The scores of all candidates, to the bit those of `scoreOf`; `columns` has a measure of each, by the model's numbers. */
export function scoreAll(model: BoostedTrees, columns: readonly Float64Array[], size: number): Float64Array {
  const { starts, thresholds, trees, left, leaves } = prepare(model)
  const scores = new Float64Array(size)
  const open = new Int32Array(model.trees.length)
  for (let candidate = 0; candidate < size; candidate += 1) {
    open.fill(-1)
    for (let measure = 0; measure < columns.length; measure += 1) {
      const value = (columns[measure] as Float64Array)[candidate] as number
      const end = starts[measure + 1] as number
      for (let at = starts[measure] as number; at < end && !(value <= (thresholds[at] as number)); at += 1) {
        open[trees[at] as number] = (open[trees[at] as number] as number) & (left[at] as number)
      }
    }
    let score = 0
    for (let tree = 0; tree < open.length; tree += 1) {
      const bits = open[tree] as number
      score += leaves[tree * MOST_LEAVES + 31 - Math.clz32(bits & -bits)] as number
    }
    scores[candidate] = score
  }
  return scores
}

function prepare(model: BoostedTrees): Questions {
  const known = prepared.get(model)
  if (known !== undefined) return known
  const asked: { measure: number; threshold: number; tree: number; left: number }[] = []
  const leaves = new Float64Array(model.trees.length * MOST_LEAVES)
  model.trees.forEach((root, tree) => {
    let count = 0
    const visit = (node: TreeNode): void => {
      if (typeof node === 'number') {
        if (count === MOST_LEAVES) throw new RangeError(`Tree ${tree} has more than ${MOST_LEAVES} leaves.`)
        leaves[tree * MOST_LEAVES + count] = node
        count += 1
        return
      }
      const [measure, threshold, , below, above] = node
      const first = count
      visit(below)
      const ruledOut = (1 << count) - (1 << first)
      asked.push({ measure, threshold, tree, left: ~ruledOut })
      visit(above)
    }
    visit(root)
  })
  asked.sort((a, b) => a.measure - b.measure || a.threshold - b.threshold)
  const questions: Questions = {
    starts: Int32Array.from({ length: model.measures.length + 1 }, (_, measure) => asked.filter((question) => question.measure < measure).length),
    thresholds: Float64Array.from(asked, ({ threshold }) => threshold),
    trees: Int32Array.from(asked, ({ tree }) => tree),
    left: Int32Array.from(asked, ({ left }) => left),
    leaves,
  }
  prepared.set(model, questions)
  return questions
}
