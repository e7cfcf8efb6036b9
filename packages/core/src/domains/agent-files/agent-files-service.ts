import { type AgentFileDeps, exportAgent } from './export-agent.ts'
import { type ImportAgentOptions, type ImportAgentResult, importAgent } from './import-agent.ts'
import { type FileSource, verifyFile } from './read-file.ts'

/** One agent as a file: registry row, capabilities, dependencies, checkpoints with tags, and state. The form is in docs/reference/checkpoints.md. */
export class AgentFilesService {
  readonly #deps: AgentFileDeps

  constructor(deps: AgentFileDeps) {
    this.#deps = deps
  }

  /**
   * The lines of the file, as they are read; the state is that of one moment, while writers go on. Stop reading to break off.
   * AGENT_NOT_FOUND; CONNECTION_FAILED, TIMEOUT: export it again.
   */
  export(agent: string): AsyncIterable<string> {
    return exportAgent(this.#deps, agent)
  }

  /**
   * Makes an agent of a file, or replaces one. `source` opens the file each time from its beginning; the whole of it is verified
   * before anything is stored. Revisions are new. IMPORT_MALFORMED with `details.line` and `details.offset`; DUPLICATE_KEY when the
   * agent exists and `overwrite` is not set; the errors of `agents.register` and `state.set`.
   */
  import(source: FileSource, options: ImportAgentOptions = {}): Promise<ImportAgentResult> {
    return importAgent(this.#deps, source, options)
  }

  /** Reads a file without storing anything. IMPORT_MALFORMED. */
  async verify(source: FileSource): Promise<{ readonly key: string; readonly name: string; readonly sha256: string }> {
    const { agent, sha256 } = await verifyFile(source)
    return { key: agent.key, name: agent.name, sha256 }
  }
}
