--! version: 0.32.0
--! name: text_index_upkeep
--! description: What is new in the text index of memories is merged into it sooner
--! type: schema
--! depends_on: 0.30.0
--! breaking: false

--! up
-- Every search reads all that is not merged yet, page by page: of 4 MB, the default, some 2 ms for each look into the index.
ALTER INDEX memory.conversation_memory_search SET (gin_pending_list_limit = 256);

--! down
ALTER INDEX memory.conversation_memory_search RESET (gin_pending_list_limit);
