/** Filled by the saver and the store. */
export const PACKAGE = '@cairn/langgraph'
