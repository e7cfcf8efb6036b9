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
