export { ModelsService } from './models-service.ts'
export { MODEL_HEALTHS, MODEL_STATUSES, type ModelHealth, type ModelStatus } from './words.ts'
export type { ChooseModel, Model, ModelCallContext, ModelCallOptions, ModelCheck, ModelFields, ModelFilter, ModelPerformance, ModelUsage, NewModel } from './types.ts'
