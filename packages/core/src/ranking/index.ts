export type { RankedCandidate, RankingCandidate, RankingContribution, RankingCorpus, RankingOptions, RankingQuestion } from './types.ts'
export type { QuestionTerm } from './text/analyse.ts'
export { questionTerms, termsOf } from './text/analyse.ts'
export { rank } from './rank.ts'
