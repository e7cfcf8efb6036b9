export { AgentFilesService } from './agent-files-service.ts'
export type { ImportAgentOptions, ImportAgentResult } from './import-agent.ts'
export type { FileSource } from './read-file.ts'
