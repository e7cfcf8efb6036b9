export { fuseInsights, type FuseWith } from './fuse.ts'
export { tokenSimilarity, vectorSimilarity, type Similarity } from './similarity.ts'
export type { Fusion, FusionOptions, FusionRecommendation, FusionSide, Insight, InsightProvenance } from './types.ts'
