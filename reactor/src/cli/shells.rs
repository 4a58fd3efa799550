//! Makes the completions of shells from the table of commands (`skiffd completions SHELL`).

use super::table::{
    COMMANDS, CommandSpec, GENERAL_OPTIONS, OptionSpec, ValueKind, first_words, second_words,
};

/// A shell that can be told how to complete the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Every shell by its name.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

impl Shell {
    pub(crate) fn find(name: &str) -> Option<Self> {
        match name {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }

    /// Returns what the shell has to read.
    pub(crate) fn script(self) -> String {
        match self {
            Self::Bash => bash(),
            Self::Zsh => zsh(),
            Self::Fish => fish(),
        }
    }
}

/// The options that stand for themselves wherever they are given.
fn general_names() -> Vec<&'static str> {
    let names = GENERAL_OPTIONS.iter().flat_map(|(names, _)| *names);
    names.copied().collect()
}

/// The options of a command, by their names.
fn option_names(command: &CommandSpec) -> Vec<&'static str> {
    command.options.iter().map(|option| option.name).collect()
}

/// Commands that are there before any other word: the one without, and options such as `--demo`.
fn is_wordless(command: &CommandSpec) -> bool {
    command.words.iter().all(|word| word.starts_with('-'))
}

/// The first words that are followed by a second.
fn pairs() -> Vec<&'static str> {
    let first = first_words().into_iter();
    first
        .filter(|word| !second_words(word).is_empty())
        .collect()
}

const BASH_FUNCTIONS: &str = "\
_skiffd_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }

_skiffd_paths() {
    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$cur\")
    if [ ${#COMPREPLY[@]} -gt 0 ]; then compopt -o filenames 2>/dev/null; fi
}

_skiffd_users() { _skiffd_words \"$(skiffd user list 2>/dev/null | cut -d ' ' -f 1)\"; }
";

fn bash() -> String {
    let mut script = format!(
        "# completion of skiffd for bash, made by: skiffd completions bash\n\n{BASH_FUNCTIONS}\n\
         _skiffd() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} word command= value=\n    \
         COMPREPLY=()\n"
    );
    let options = COMMANDS.iter().flat_map(|command| command.options);
    let mut valued: Vec<&str> = options
        .filter(|option| option.value.is_some())
        .map(|option| option.name)
        .collect();
    valued.sort_unstable();
    valued.dedup();
    let begun: Vec<_> = pairs().iter().map(|word| format!("'{word}'")).collect();
    script.push_str(&format!(
        "    for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n        \
         if [ -n \"$value\" ]; then value=; continue; fi\n        case $command:$word in\n            \
         :--demo) command=$word ;;\n            \
         *:{}) value=$word ;;\n            \
         *:-*) ;;\n            \
         :*) command=$word ;;\n            \
         {}:*) command=\"$command $word\" ;;\n        esac\n    done\n",
        valued.join("|*:"),
        begun.join(":*|")
    ));
    script.push_str("    case $command:$value in\n");
    for command in COMMANDS {
        let words = command.words.join(" ");
        for option in command.options {
            if let Some(value) = &option.value {
                let action = bash_value(value.kind);
                script.push_str(&format!("        '{words}:{}') {action} ;;\n", option.name));
            }
        }
        if !command.words.is_empty() {
            script.push_str(&format!("        '{words}:') {} ;;\n", bash_rest(command)));
        }
    }
    for first in pairs() {
        let seconds = second_words(first).join(" ");
        script.push_str(&format!(
            "        '{first}:') _skiffd_words '{seconds}' ;;\n"
        ));
    }
    let mut first = first_words();
    first.extend(
        COMMANDS
            .iter()
            .filter(|c| c.words.is_empty())
            .flat_map(option_names),
    );
    first.extend(general_names());
    script.push_str(&format!(
        "        ':') _skiffd_words '{}' ;;\n    esac\n}}\n\ncomplete -F _skiffd skiffd\n",
        first.join(" ")
    ));
    script
}

/// What may follow a command: options after a hyphen, else what it is about.
fn bash_rest(command: &CommandSpec) -> String {
    let options = format!("_skiffd_words '{}'", option_names(command).join(" "));
    match command.operand.as_ref().map(|operand| operand.kind) {
        None | Some(ValueKind::Other) => options,
        Some(kind) if command.options.is_empty() => bash_value(kind),
        Some(kind) => format!(
            "if [[ $cur == -* ]]; then {options}; else {}; fi",
            bash_value(kind)
        ),
    }
}

fn bash_value(kind: ValueKind) -> String {
    match kind {
        ValueKind::File => "_skiffd_paths -f".to_owned(),
        ValueKind::Folder => "_skiffd_paths -d".to_owned(),
        ValueKind::User => "_skiffd_users".to_owned(),
        ValueKind::Words(words) => format!("_skiffd_words '{}'", words.join(" ")),
        ValueKind::Other => "return".to_owned(),
    }
}

/// Escapes text in single quotes, and what means something to `_arguments`.
fn zsh_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' => escaped.push_str("'\\''"),
            '[' | ']' | ':' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

fn zsh_value(syntax: &str, kind: ValueKind) -> String {
    let action = match kind {
        ValueKind::File => "_files".to_owned(),
        ValueKind::Folder => "_files -/".to_owned(),
        ValueKind::User => "_skiffd_users".to_owned(),
        ValueKind::Words(words) => format!("({})", words.join(" ")),
        ValueKind::Other => " ".to_owned(),
    };
    format!(":{}:{action}", zsh_text(syntax))
}

fn zsh_option(option: &OptionSpec) -> String {
    let (glue, value) = match &option.value {
        None => ("", String::new()),
        Some(value) => ("=", zsh_value(value.syntax, value.kind)),
    };
    format!("'{}{glue}[{}]{value}'", option.name, zsh_text(option.help))
}

/// The arguments of `_arguments` for what follows a command.
fn zsh_arguments(command: &CommandSpec) -> String {
    let mut arguments: Vec<_> = command.options.iter().map(zsh_option).collect();
    if let Some(operand) = &command.operand {
        arguments.push(format!("'1{}'", zsh_value(operand.syntax, operand.kind)));
    }
    arguments.join(" ")
}

fn zsh() -> String {
    let mut script = String::from(
        "#compdef skiffd\n# completion of skiffd for zsh, made by: skiffd completions zsh\n\n\
         _skiffd_users() {\n    local -a users\n    \
         users=(${${(f)\"$(_call_program users skiffd user list 2>/dev/null)\"}%% *})\n    \
         compadd \"$@\" -a users\n}\n\n\
         _skiffd() {\n    local curcontext=$curcontext state line\n    _arguments -C \\\n",
    );
    for (names, help) in GENERAL_OPTIONS {
        for name in *names {
            script.push_str(&format!("        '(- *){name}[{}]' \\\n", zsh_text(help)));
        }
    }
    for command in COMMANDS.iter().filter(|command| is_wordless(command)) {
        for word in command.words {
            script.push_str(&format!(
                "        '{word}[{}]' \\\n",
                zsh_text(command.help)
            ));
        }
        for option in command.options {
            script.push_str(&format!("        {} \\\n", zsh_option(option)));
        }
    }
    let words: Vec<_> = first_words()
        .into_iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    script.push_str(&format!(
        "        '1: :({})' '*:: :->rest'\n    [ \"$state\" = rest ] || return\n    \
         case $line[1] in\n",
        words.join(" ")
    ));
    for first in &words {
        let action = match second_words(first).as_slice() {
            [] => zsh_leaf(&[first]),
            seconds => zsh_pair(first, seconds),
        };
        script.push_str(&format!("        {first}) {action} ;;\n"));
    }
    script.push_str(
        "    esac\n}\n\n\
         if [ \"$funcstack[1]\" = _skiffd ]; then _skiffd \"$@\"; else compdef _skiffd skiffd; fi\n",
    );
    script
}

fn zsh_leaf(words: &[&str]) -> String {
    let command = COMMANDS.iter().find(|command| command.words == words);
    command.map_or_else(String::new, |command| match zsh_arguments(command) {
        none if none.is_empty() => "return".to_owned(),
        arguments => format!("_arguments {arguments}"),
    })
}

fn zsh_pair(first: &str, seconds: &[&str]) -> String {
    let mut script = format!(
        "_arguments -C '1: :({})' '*:: :->second'\n            \
         [ \"$state\" = second ] || return\n            case $line[1] in\n",
        seconds.join(" ")
    );
    for second in seconds {
        let leaf = zsh_leaf(&[first, second]);
        script.push_str(&format!("                {second}) {leaf} ;;\n"));
    }
    script + "            esac"
}

/// Escapes text in single quotes.
fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish_value(kind: ValueKind) -> String {
    match kind {
        ValueKind::File => "-r -F".to_owned(),
        ValueKind::Folder => "-x -a '(__fish_complete_directories)'".to_owned(),
        ValueKind::User => "-x -a '(__skiffd_users)'".to_owned(),
        ValueKind::Words(words) => format!("-x -a '{}'", words.join(" ")),
        ValueKind::Other => "-x".to_owned(),
    }
}

fn fish() -> String {
    let mut script = String::from(
        "# completion of skiffd for fish, made by: skiffd completions fish\n\n\
         function __skiffd_users\n    skiffd user list 2>/dev/null | string replace -r ' .*' ''\nend\n\n\
         complete -c skiffd -f\n",
    );
    let plain: Vec<_> = first_words()
        .into_iter()
        .filter(|word| !word.starts_with('-'))
        .collect();
    let before = format!("not __fish_seen_subcommand_from {}", plain.join(" "));
    for (names, help) in GENERAL_OPTIONS {
        let forms: Vec<_> = names.iter().map(|name| fish_name(name)).collect();
        script.push_str(&format!(
            "complete -c skiffd {} -d '{}'\n",
            forms.join(" "),
            fish_text(help)
        ));
    }
    for first in &plain {
        let single = COMMANDS.iter().find(|command| command.words == [*first]);
        let help = single.map_or("", |command| command.help);
        script.push_str(&format!(
            "complete -c skiffd -n '{before}' -a {first} -d '{}'\n",
            fish_text(help)
        ));
    }
    for command in COMMANDS {
        let condition = match command.words {
            [first, second] => {
                let seconds = second_words(first).join(" ");
                script.push_str(&format!(
                    "complete -c skiffd -n '__fish_seen_subcommand_from {first}; and not \
                     __fish_seen_subcommand_from {seconds}' -a {second} -d '{}'\n",
                    fish_text(command.help)
                ));
                format!(
                    "__fish_seen_subcommand_from {first}; and __fish_seen_subcommand_from {second}"
                )
            }
            [word] if word.starts_with('-') => {
                script.push_str(&format!(
                    "complete -c skiffd -n '{before}' {} -d '{}'\n",
                    fish_name(word),
                    fish_text(command.help)
                ));
                format!("__fish_contains_opt {}", word.trim_start_matches('-'))
            }
            [word, ..] => format!("__fish_seen_subcommand_from {word}"),
            [] => before.clone(),
        };
        script.push_str(&fish_rest(command, &condition));
    }
    script
}

fn fish_rest(command: &CommandSpec, condition: &str) -> String {
    let mut lines = String::new();
    for option in command.options {
        let value = option.value.as_ref().map(|value| fish_value(value.kind));
        lines.push_str(&format!(
            "complete -c skiffd -n '{condition}' {} {} -d '{}'\n",
            fish_name(option.name),
            value.unwrap_or_default(),
            fish_text(option.help)
        ));
    }
    match command.operand.as_ref().map(|operand| operand.kind) {
        None | Some(ValueKind::Other) => {}
        Some(kind) => {
            let value = fish_value(kind).replacen("-x", "-f", 1);
            lines.push_str(&format!("complete -c skiffd -n '{condition}' {value}\n"));
        }
    }
    lines
}

fn fish_name(name: &str) -> String {
    match name.strip_prefix("--") {
        Some(long) => format!("-l {long}"),
        None => format!("-s {}", name.trim_start_matches('-')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_hears_of_every_command_and_option() {
        for name in SHELLS {
            let shell = Shell::find(name).unwrap();
            let script = shell.script();
            for command in COMMANDS {
                for word in command.words.iter().chain(&option_names(command)) {
                    let told = match shell {
                        Shell::Fish if word.starts_with('-') => fish_name(word),
                        Shell::Fish | Shell::Bash | Shell::Zsh => (*word).to_owned(),
                    };
                    assert!(script.contains(&told), "{name}: {word}");
                }
            }
        }
    }
}
