import { type BoostedTrees, type TreeNode } from './trees.ts'

/** The nodes of all trees one behind the other: walked without a look at any object. A leaf asks for measure -1, and `means` has what it gives. */
interface FlatTrees {
  readonly roots: Int32Array
  readonly measures: Int32Array
  readonly thresholds: Float64Array
  readonly means: Float64Array
  readonly left: Int32Array
  readonly right: Int32Array
}

const flattened = new WeakMap<BoostedTrees, FlatTrees>()

/** The scores of all candidates; `columns` has a measure of each, by the model's numbers. The sums are those of `scoreOf`, to the bit. */
export function scoresOf(model: BoostedTrees, columns: readonly Float64Array[], size: number): Float64Array {
  const { roots, measures, thresholds, means, left, right } = flat(model)
  const scores = new Float64Array(size)
  for (const root of roots) {
    for (let candidate = 0; candidate < size; candidate += 1) {
      let node = root
      for (let measure = measures[node] as number; measure >= 0; measure = measures[node] as number) {
        node = ((columns[measure] as Float64Array)[candidate] as number) <= (thresholds[node] as number) ? (left[node] as number) : (right[node] as number)
      }
      scores[candidate] = (scores[candidate] as number) + (means[node] as number)
    }
  }
  return scores
}

/**
 * What each measure gave to the score of a candidate: at every node that asks for it, the mean below the branch taken less the mean below
 * the node. With `base`, what all candidates get, they add up to the score.
 */
export function contributionsOf(model: BoostedTrees, columns: readonly Float64Array[], candidate: number): { base: number; byMeasure: Float64Array } {
  const { roots, measures, thresholds, means, left, right } = flat(model)
  const byMeasure = new Float64Array(model.measures.length)
  let base = 0
  for (const root of roots) {
    let node = root
    base += means[node] as number
    for (let measure = measures[node] as number; measure >= 0; measure = measures[node] as number) {
      const next = ((columns[measure] as Float64Array)[candidate] as number) <= (thresholds[node] as number) ? (left[node] as number) : (right[node] as number)
      byMeasure[measure] = (byMeasure[measure] as number) + (means[next] as number) - (means[node] as number)
      node = next
    }
  }
  return { base, byMeasure }
}

function flat(model: BoostedTrees): FlatTrees {
  const known = flattened.get(model)
  if (known !== undefined) return known
  const nodes: { measure: number; threshold: number; mean: number; left: number; right: number }[] = []
  const add = (node: TreeNode): number => {
    const at = nodes.length
    if (typeof node === 'number') nodes.push({ measure: -1, threshold: 0, mean: node, left: 0, right: 0 })
    else {
      const [measure, threshold, mean, left, right] = node
      const own = { measure, threshold, mean, left: 0, right: 0 }
      nodes.push(own)
      own.left = add(left)
      own.right = add(right)
    }
    return at
  }
  const trees: FlatTrees = {
    roots: Int32Array.from(model.trees, add),
    measures: Int32Array.from(nodes, ({ measure }) => measure),
    thresholds: Float64Array.from(nodes, ({ threshold }) => threshold),
    means: Float64Array.from(nodes, ({ mean }) => mean),
    left: Int32Array.from(nodes, ({ left }) => left),
    right: Int32Array.from(nodes, ({ right }) => right),
  }
  flattened.set(model, trees)
  return trees
}
