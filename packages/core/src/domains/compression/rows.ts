import type { CompressionPerformance, CompressionRequest } from './types.ts'
import type { CompressionAlgorithmId, CompressionGoal, CompressionOperation, CompressionStatus } from './words.ts'

export interface StatisticsRow {
  algorithm_id: CompressionAlgorithmId
  level: number
  compressions: number
  plain_bytes: number
  compressed_bytes: number
  compress_us: number
  decompressions: number
  restored_bytes: number
  decompress_us: number
  failures: number
  last_used_at: Date
}

/** The sums of all `rows` as one. */
export function toPerformance(rows: readonly StatisticsRow[]): CompressionPerformance {
  const sum = (pick: (row: StatisticsRow) => number): number => rows.reduce((total, row) => total + pick(row), 0)
  const per = (amount: number, of: number): number | null => (of === 0 || amount === 0 ? null : amount / of)
  return {
    compressions: sum((row) => row.compressions),
    decompressions: sum((row) => row.decompressions),
    failures: sum((row) => row.failures),
    ratio: per(sum((row) => row.plain_bytes), sum((row) => row.compressed_bytes)),
    compressBytesPerSecond: per(sum((row) => row.plain_bytes) * 1e6, sum((row) => row.compress_us)),
    decompressBytesPerSecond: per(sum((row) => row.restored_bytes) * 1e6, sum((row) => row.decompress_us)),
    lastUsedAt: rows.reduce<Date | null>((last, row) => (last === null || row.last_used_at > last ? row.last_used_at : last), null),
  }
}

export interface RequestRow {
  request_id: string
  operation: CompressionOperation
  algorithm_id: CompressionAlgorithmId | null
  level: number | null
  goal: CompressionGoal
  status: CompressionStatus
  input_size: number
  output_size: number | null
  ratio: number | null
  input_sha256: string
  output_sha256: string | null
  max_output_bytes: number
  assigned_agent_id: string | null
  agent_execution_time_ms: number | null
  agent_cpu_usage_percent: number | null
  agent_memory_usage_mb: number | null
  agent_metadata: Record<string, unknown>
  metadata: Record<string, unknown>
  choice: Record<string, unknown>
  attempts: number
  error_code: string | null
  error_message: string | null
  created_at: Date
  started_at: Date | null
  completed_at: Date | null
}

export function toRequest(row: RequestRow): CompressionRequest {
  return {
    id: row.request_id,
    operation: row.operation,
    algorithm: row.algorithm_id,
    level: row.level,
    goal: row.goal,
    status: row.status,
    inputBytes: row.input_size,
    outputBytes: row.output_size,
    ratio: row.ratio,
    inputSha256: row.input_sha256,
    outputSha256: row.output_sha256,
    maxOutputBytes: row.max_output_bytes,
    agentId: row.assigned_agent_id,
    executionMs: row.agent_execution_time_ms,
    cpuPercent: row.agent_cpu_usage_percent,
    memoryMb: row.agent_memory_usage_mb,
    agentMetadata: row.agent_metadata,
    metadata: row.metadata,
    choice: row.choice,
    attempts: row.attempts,
    errorCode: row.error_code,
    errorMessage: row.error_message,
    createdAt: row.created_at,
    startedAt: row.started_at,
    completedAt: row.completed_at,
  }
}

/** What a worker needs of a request, when it begins. */
export interface StartedRow {
  input: Uint8Array
  input_sha256: string
  operation: CompressionOperation
  algorithm_id: CompressionAlgorithmId | null
  level: number | null
  goal: CompressionGoal
  max_output_bytes: number
  attempts: number
  assigned_agent_id: string | null
}
