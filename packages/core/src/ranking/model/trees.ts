/** A leaf is what it gives; another node goes left when the measure is at most the threshold. `mean` is what it gives on average below it. */
export type TreeNode = number | readonly [measure: number, threshold: number, mean: number, left: TreeNode, right: TreeNode]

/** Gradient-boosted regression trees: a score is the sum of what each tree gives. */
export interface BoostedTrees {
  /** Names of the measures, by the numbers in the nodes. */
  readonly measures: readonly string[]
  readonly trees: readonly TreeNode[]
}

/** Score of a candidate; `valueOf` gives its measure by number. */
export function scoreOf(model: BoostedTrees, valueOf: (measure: number) => number): number {
  let score = 0
  for (const tree of model.trees) {
    let node = tree
    while (typeof node !== 'number') node = valueOf(node[0]) <= node[1] ? node[3] : node[4]
    score += node
  }
  return score
}

/**
 * What each measure gave to the score: at every node that asks for it, the mean below the branch taken less the mean below
 * the node. With `base`, what all candidates get, they add up to the score.
 */
export function contributionsOf(model: BoostedTrees, valueOf: (measure: number) => number): { base: number; byMeasure: Float64Array } {
  const byMeasure = new Float64Array(model.measures.length)
  let base = 0
  for (const tree of model.trees) {
    let node = tree
    base += meanOf(node)
    while (typeof node !== 'number') {
      const next: TreeNode = valueOf(node[0]) <= node[1] ? node[3] : node[4]
      byMeasure[node[0]] = (byMeasure[node[0]] ?? 0) + meanOf(next) - node[2]
      node = next
    }
  }
  return { base, byMeasure }
}

function meanOf(node: TreeNode): number {
  return typeof node === 'number' ? node : node[2]
}
