import * as z from 'zod'
import { text } from '../../checks/index.ts'
import { memoryFilterShape } from '../memory/index.ts'

export const questionText = text(1, 32_768).refine((value) => value.trim() !== '', 'is empty')

export const recallOptions = z.strictObject({
  limit: z.int().min(1).max(200).default(10),
  mode: z.enum(['hybrid', 'text', 'vector']).optional(),
  filter: z.strictObject(memoryFilterShape).default({}),
  at: z.union([z.date(), z.iso.datetime({ offset: true }).transform((value) => new Date(value))]).optional(),
  diversity: z.number().min(0).max(1).default(0),
  spread: z.boolean().default(true),
  weights: z.strictObject({ importance: z.number().min(0).max(10).optional(), recency: z.number().min(0).max(10).optional(), halfLifeDays: z.number().min(0.001).max(100_000).optional() }).optional(),
  tokens: z.int().min(1).max(1_000_000).optional(),
  embedTimeoutMs: z.int().min(1).max(60_000).default(2_000),
})

export type CheckedRecallOptions = z.output<typeof recallOptions>
