//! Tokenizer, chat template and stop rules: messages to token ids and back.
