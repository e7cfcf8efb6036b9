--! version: 0.37.0
--! name: message_times
--! description: The times of a message are in order from its creation to its end, whoever writes them
--! type: schema
--! depends_on: 0.36.0
--! breaking: false

--! up
-- A message is sent in the statement that stores it, and none of its deliveries is older than it. With what is checked already (handed out after it
-- was created, ended after it was handed out) the four times of S1 §12 are in order over three tables, without a look from one into another.
ALTER TABLE messages.log ADD CONSTRAINT sent_when_stored CHECK (sent_at = created_at);
ALTER TABLE messages.deliveries ADD CONSTRAINT created_after_message CHECK (created_at >= message_created_at);
ALTER TABLE messages.receipts ADD CONSTRAINT created_after_message CHECK (created_at >= message_created_at);

--! down
ALTER TABLE messages.receipts DROP CONSTRAINT created_after_message;
ALTER TABLE messages.deliveries DROP CONSTRAINT created_after_message;
ALTER TABLE messages.log DROP CONSTRAINT sent_when_stored;
