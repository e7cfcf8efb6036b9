export { HistoriesService } from './histories-service.ts'
export { HistoryUpkeep } from './history-upkeep.ts'
export type {
  AppendOptions,
  ChangeOptions,
  ClearOptions,
  History,
  HistoryChange,
  HistoryItem,
  HistoryName,
  HistoryRewrite,
  ListHistoriesOptions,
  ListHistoryItemsOptions,
  ReplaceSuffixInput,
  RewriteOptions,
} from './types.ts'
