import type { TreeNode } from '../../packages/core/src/ranking/index.ts'

/** Candidates of many questions, one question after the other. */
export interface TrainingRows {
  /** Measures of each row, `width` of them. */
  readonly values: Float32Array
  readonly width: number
  /** First row of each question, and one past its last. */
  readonly questions: readonly (readonly [from: number, to: number])[]
  /** 1 for a row that answers its question, shared among those that do; else 0. */
  readonly targets: Float32Array
}

export interface GrowOptions {
  readonly trees: number
  readonly rate: number
  readonly leaves: number
  readonly leastRows: number
  readonly leastHessian: number
  readonly ridge: number
  /** Share of the measures that a tree may ask for. */
  readonly measures: number
  readonly bins: number
  readonly seed: number
  /** Measures of which more may never lower a score. */
  readonly rising: ReadonlySet<number>
}

export const GROW: GrowOptions = {
  trees: 360, rate: 0.04, leaves: 6, leastRows: 30, leastHessian: 0.1, ridge: 1, measures: 0.35, bins: 32, seed: 7, rising: new Set(),
}

interface Leaf {
  rows: Int32Array
  histogram: Float64Array
  gradient: number
  hessian: number
  low: number
  high: number
  split?: { gain: number; measure: number; bin: number; middle: number }
  node: Growing
}

interface Growing {
  value: number
  measure?: number
  threshold?: number
  left?: Growing
  right?: Growing
}

/**
 * Boosted trees for a listwise softmax: of each question's candidates, the score should give those that answer all of the
 * probability. Grown leaf by leaf with histograms; the same rows and options give the same trees.
 */
export function growTrees(rows: TrainingRows, options: GrowOptions): TreeNode[] {
  const count = rows.targets.length
  const cuts = Array.from({ length: rows.width }, (_, measure) => cutsOf(rows, measure, options.bins))
  const bins = binned(rows, cuts)
  const stride = Math.max(...cuts.map((all) => all.length)) + 1
  const random = randomOf(options.seed)
  const scores = new Float64Array(count)
  const gradients = new Float64Array(count)
  const hessians = new Float64Array(count)
  const trees: TreeNode[] = []
  for (let tree = 0; tree < options.trees; tree += 1) {
    softmaxGradients(rows, scores, gradients, hessians)
    const chosen = Array.from({ length: rows.width }, (_, measure) => measure).filter((measure) => cutsOfMeasure(cuts, measure) > 0 && random() < options.measures)
    const grower = new Grower(rows.width, bins, cuts, stride, gradients, hessians, chosen, options)
    const leaves = grower.grow(count)
    for (const leaf of leaves) for (const row of leaf.rows) scores[row] = (scores[row] as number) + leaf.node.value
    trees.push(rounded(grower.root))
  }
  return trees
}

function cutsOfMeasure(cuts: readonly (readonly number[])[], measure: number): number {
  return cuts[measure]?.length ?? 0
}

function softmaxGradients({ questions, targets }: TrainingRows, scores: Float64Array, gradients: Float64Array, hessians: Float64Array): void {
  for (const [from, to] of questions) {
    let top = -Infinity
    for (let row = from; row < to; row += 1) top = Math.max(top, scores[row] as number)
    let sum = 0
    for (let row = from; row < to; row += 1) sum += Math.exp((scores[row] as number) - top)
    for (let row = from; row < to; row += 1) {
      const share = Math.exp((scores[row] as number) - top) / sum
      gradients[row] = share - (targets[row] as number)
      hessians[row] = Math.max(share * (1 - share), 1e-6)
    }
  }
}

class Grower {
  readonly root: Growing = { value: 0 }
  readonly #width: number
  readonly #bins: Uint8Array
  readonly #cuts: readonly (readonly number[])[]
  readonly #stride: number
  readonly #gradients: Float64Array
  readonly #hessians: Float64Array
  readonly #chosen: readonly number[]
  readonly #options: GrowOptions

  constructor(
    width: number, bins: Uint8Array, cuts: readonly (readonly number[])[], stride: number,
    gradients: Float64Array, hessians: Float64Array, chosen: readonly number[], options: GrowOptions,
  ) {
    this.#width = width
    this.#bins = bins
    this.#cuts = cuts
    this.#stride = stride
    this.#gradients = gradients
    this.#hessians = hessians
    this.#chosen = chosen
    this.#options = options
  }

  grow(count: number): Leaf[] {
    const rows = Int32Array.from({ length: count }, (_, row) => row)
    const leaves = [this.#leaf(rows, this.#histogram(rows), -Infinity, Infinity, this.root)]
    while (leaves.length < this.#options.leaves) {
      const best = leaves.reduce((most, leaf) => ((leaf.split?.gain ?? 0) > (most.split?.gain ?? 0) ? leaf : most))
      if (best.split === undefined) break
      leaves.splice(leaves.indexOf(best), 1, ...this.#parted(best, best.split))
    }
    return leaves
  }

  #parted(leaf: Leaf, { measure, bin, middle }: NonNullable<Leaf['split']>): [Leaf, Leaf] {
    const left = leaf.rows.filter((row) => (this.#bins[row * this.#width + measure] as number) <= bin)
    const right = leaf.rows.filter((row) => (this.#bins[row * this.#width + measure] as number) > bin)
    const [small, isLeft] = left.length < right.length ? [left, true] : [right, false]
    const ofSmall = this.#histogram(small)
    const ofLarge = leaf.histogram.map((value, at) => value - (ofSmall[at] as number))
    const nodes: [Growing, Growing] = [{ value: 0 }, { value: 0 }]
    Object.assign(leaf.node, { measure, threshold: this.#cuts[measure]?.[bin], left: nodes[0], right: nodes[1] })
    const rising = this.#options.rising.has(measure)
    return [
      this.#leaf(left, isLeft ? ofSmall : ofLarge, leaf.low, rising ? middle : leaf.high, nodes[0]),
      this.#leaf(right, isLeft ? ofLarge : ofSmall, rising ? middle : leaf.low, leaf.high, nodes[1]),
    ]
  }

  /** Gradient, hessian and rows by measure and bin. */
  #histogram(rows: Int32Array): Float64Array {
    const histogram = new Float64Array(this.#width * this.#stride * 3)
    for (const row of rows) {
      const gradient = this.#gradients[row] as number
      const hessian = this.#hessians[row] as number
      const start = row * this.#width
      for (const measure of this.#chosen) {
        const at = (measure * this.#stride + (this.#bins[start + measure] as number)) * 3
        histogram[at] = (histogram[at] as number) + gradient
        histogram[at + 1] = (histogram[at + 1] as number) + hessian
        histogram[at + 2] = (histogram[at + 2] as number) + 1
      }
    }
    return histogram
  }

  #leaf(rows: Int32Array, histogram: Float64Array, low: number, high: number, node: Growing): Leaf {
    let gradient = 0
    let hessian = 0
    for (const row of rows) {
      gradient += this.#gradients[row] as number
      hessian += this.#hessians[row] as number
    }
    node.value = this.#options.rate * this.#best(gradient, hessian, low, high)
    const leaf: Leaf = { rows, histogram, gradient, hessian, low, high, node }
    const split = this.#split(leaf)
    return split === undefined ? leaf : { ...leaf, split }
  }

  #best(gradient: number, hessian: number, low: number, high: number): number {
    return Math.min(high, Math.max(low, -gradient / (hessian + this.#options.ridge)))
  }

  /** What the loss falls by when the leaf gives `value`. */
  #fall(gradient: number, hessian: number, value: number): number {
    return -(2 * gradient * value + (hessian + this.#options.ridge) * value * value)
  }

  #split(leaf: Leaf): Leaf['split'] {
    const { leastRows, leastHessian, rising } = this.#options
    const { histogram, gradient, hessian, low, high } = leaf
    const whole = this.#fall(gradient, hessian, this.#best(gradient, hessian, low, high))
    let found: Leaf['split']
    for (const measure of this.#chosen) {
      let [g, h, n] = [0, 0, 0]
      const last = this.#cuts[measure]?.length ?? 0
      for (let bin = 0; bin < last; bin += 1) {
        const at = (measure * this.#stride + bin) * 3
        g += histogram[at] as number
        h += histogram[at + 1] as number
        n += histogram[at + 2] as number
        if (n < leastRows || h < leastHessian) continue
        if (leaf.rows.length - n < leastRows || hessian - h < leastHessian) break
        const left = this.#best(g, h, low, high)
        const right = this.#best(gradient - g, hessian - h, low, high)
        if (rising.has(measure) && left > right) continue
        const gain = this.#fall(g, h, left) + this.#fall(gradient - g, hessian - h, right) - whole
        if (gain > (found?.gain ?? 1e-6)) found = { gain, measure, bin, middle: (left + right) / 2 }
      }
    }
    return found
  }
}

/** Values between which a measure is told apart: its quantiles, finer at the top, where the answers are. */
function cutsOf({ values, width, targets }: TrainingRows, measure: number, bins: number): number[] {
  const step = Math.max(1, Math.floor(targets.length / 30_000))
  const sample: number[] = []
  for (let row = 0; row < targets.length; row += step) sample.push(values[row * width + measure] as number)
  sample.sort((a, b) => a - b)
  const different = [...new Set(sample)]
  if (different.length <= bins) return different.slice(1).map((value, at) => Math.fround((value + (different[at] as number)) / 2))
  const shares = [...Array.from({ length: bins - 1 }, (_, at) => (at + 1) / bins), 0.98, 0.985, 0.99, 0.995, 0.998]
  const cuts = new Set(shares.map((share) => sample[Math.min(sample.length - 1, Math.floor(share * sample.length))] as number))
  return [...cuts].filter((cut) => cut < (sample.at(-1) as number)).toSorted((a, b) => a - b)
}

function binned({ values, width, targets }: TrainingRows, cuts: readonly (readonly number[])[]): Uint8Array {
  const bins = new Uint8Array(targets.length * width)
  for (let row = 0; row < targets.length; row += 1) {
    for (let measure = 0; measure < width; measure += 1) {
      const of = cuts[measure] as readonly number[]
      const value = values[row * width + measure] as number
      let low = 0
      let high = of.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (value <= (of[middle] as number)) high = middle
        else low = middle + 1
      }
      bins[row * width + measure] = low
    }
  }
  return bins
}

/** The tree with five decimals, and in each node the mean of what is below it as the node itself would give. */
function rounded(node: Growing): TreeNode {
  const value = Number(node.value.toFixed(5))
  if (node.left === undefined || node.right === undefined) return value
  return [node.measure as number, Number((node.threshold as number).toPrecision(6)), value, rounded(node.left), rounded(node.right)]
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
