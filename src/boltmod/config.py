"""Recipe models: what a TOML file may say."""
