//! Makes the completions of shells from the tables (`skiff completions SHELL`).

use super::argv::{FORMS, Form, FormArguments};
use crate::commands::options::{OPTIONS, OptionSpec, ValueKind};

/// A shell that can be told how to complete the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Every shell by its name.
pub(crate) const SHELLS: [(&str, Shell); 3] = [
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
];

impl Shell {
    /// Returns what the shell has to read.
    pub(crate) fn script(self) -> String {
        match self {
            Self::Bash => bash(),
            Self::Zsh => zsh(),
            Self::Fish => fish(),
        }
    }
}

fn names_of(options: impl Iterator<Item = &'static OptionSpec>) -> Vec<&'static str> {
    options.flat_map(|option| option.names).copied().collect()
}

fn form_names() -> Vec<&'static str> {
    FORMS.iter().map(|form| form.name).collect()
}

/// The options whose value is of some kind, as a pattern of `case`; `None` where there are none.
fn pattern(fits: impl Fn(&ValueKind) -> bool) -> Option<String> {
    let valued = OPTIONS.iter();
    let fitting =
        valued.filter(|option| option.value.as_ref().is_some_and(|value| fits(&value.kind)));
    let names = names_of(fitting);
    (!names.is_empty()).then(|| names.join("|"))
}

const BASH_FUNCTIONS: &str = "\
_skiff_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }

_skiff_files() {
    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")
    if [ ${#COMPREPLY[@]} -gt 0 ]; then compopt -o filenames 2>/dev/null; fi
}

_skiff_hosts() {
    local hosts
    hosts=$(skiff hosts 2>/dev/null | cut -d ' ' -f 1)
    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -S \"$1\" -W \"$hosts\" -- \"$cur\")
}
";

fn bash() -> String {
    let mut script = format!(
        "# completion of skiff for bash, made by: skiff completions bash\n\n{BASH_FUNCTIONS}\n"
    );
    script.push_str(
        "_skiff() {\n    local cur=${COMP_WORDS[COMP_CWORD]} word form= value=\n    COMPREPLY=()\n",
    );
    let all_valued = pattern(|_| true).unwrap_or_default();
    script.push_str(&format!(
        "    for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n        \
         if [ -n \"$value\" ]; then value=; continue; fi\n        case $word in\n            \
         {all_valued}) value=$word ;;\n            \
         {}) form=$word; break ;;\n        esac\n    done\n",
        form_names().join("|")
    ));
    script.push_str("    case $value in\n");
    if let Some(files) = pattern(|kind| *kind == ValueKind::File) {
        script.push_str(&format!("        {files}) _skiff_files; return ;;\n"));
    }
    for option in OPTIONS {
        if let Some(ValueKind::Words(words)) = option.value.as_ref().map(|value| &value.kind) {
            let names = option.names.join("|");
            script.push_str(&format!(
                "        {names}) _skiff_words '{}'; return ;;\n",
                words.join(" ")
            ));
        }
    }
    script.push_str("        ?*) return ;;\n    esac\n    case $form in\n");
    for form in FORMS {
        script.push_str(&format!("        {}) {} ;;\n", form.name, bash_form(form)));
    }
    let options = names_of(OPTIONS.iter()).join(" ");
    script.push_str(&format!(
        "        *) if [[ $cur == -* ]]; then _skiff_words '{options}'; \
         else _skiff_words '{}'; _skiff_hosts ''; fi ;;\n    esac\n}}\n\ncomplete -F _skiff skiff\n",
        form_names().join(" ")
    ));
    script
}

fn bash_form(form: &Form) -> String {
    match form.arguments() {
        FormArguments::None => "return".into(),
        FormArguments::Words(words) => format!("_skiff_words '{}'", words.join(" ")),
        FormArguments::Names => format!(
            "if [[ $cur == -* ]]; then _skiff_words '{}'; else _skiff_files; \
             _skiff_hosts ':'; [[ ${{COMPREPLY[*]}} == *: ]] && compopt -o nospace 2>/dev/null; fi",
            form.options().join(" ")
        ),
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

fn zsh() -> String {
    let mut script = String::from(
        "#compdef skiff\n# completion of skiff for zsh, made by: skiff completions zsh\n\n\
         _skiff_hosts() {\n    local -a hosts\n    \
         hosts=(${${(f)\"$(_call_program hosts skiff hosts 2>/dev/null)\"}%% *})\n    \
         compadd \"$@\" -a hosts\n}\n\n\
         _skiff_names() { _files; _skiff_hosts -S ':'; }\n\n\
         _skiff() {\n    local curcontext=$curcontext state line\n    local -a forms\n    forms=(\n",
    );
    for form in FORMS {
        script.push_str(&format!(
            "        '{}:{}'\n",
            form.name,
            zsh_text(form.help())
        ));
    }
    script.push_str("    )\n    _arguments -C -S -s \\\n");
    for option in OPTIONS {
        let action = match option.value.as_ref().map(|value| (value.name, &value.kind)) {
            None => String::new(),
            Some((name, ValueKind::File)) => format!(":{}:_files", zsh_text(name)),
            Some((name, ValueKind::Words(words))) => {
                format!(":{}:({})", zsh_text(name), words.join(" "))
            }
            Some((name, ValueKind::Other)) => format!(":{}: ", zsh_text(name)),
        };
        for name in option.names {
            let glue = match (name.starts_with("--"), option.value.is_some()) {
                (true, true) => "=",
                (false, true) => "+",
                (_, false) => "",
            };
            script.push_str(&format!(
                "        '{name}{glue}[{}]{action}' \\\n",
                zsh_text(option.help)
            ));
        }
    }
    script.push_str("        '1: :->first' '*:: :->rest'\n    case $state in\n        first) _describe command forms; _skiff_hosts ;;\n        rest) case $line[1] in\n");
    for form in FORMS {
        let action = match form.arguments() {
            FormArguments::None => "return".to_owned(),
            FormArguments::Words(words) => format!("compadd {}", words.join(" ")),
            FormArguments::Names => format!(
                "if [[ $PREFIX == -* ]]; then compadd -- {}; else _skiff_names; fi",
                form.options().join(" ")
            ),
        };
        script.push_str(&format!("            {}) {action} ;;\n", form.name));
    }
    script.push_str(
        "        esac ;;\n    esac\n}\n\n\
         if [ \"$funcstack[1]\" = _skiff ]; then _skiff \"$@\"; else compdef _skiff skiff; fi\n",
    );
    script
}

/// Escapes text in single quotes.
fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn fish() -> String {
    let mut script = String::from(
        "# completion of skiff for fish, made by: skiff completions fish\n\n\
         function __skiff_hosts\n    skiff hosts 2>/dev/null | string replace -r ' .*' ''\nend\n\n",
    );
    let forms = form_names().join(" ");
    let before = format!("not __fish_seen_subcommand_from {forms}");
    for option in OPTIONS {
        let mut line = format!("complete -c skiff -n '{before}'");
        for name in option.names {
            match name.strip_prefix("--") {
                Some(long) => line.push_str(&format!(" -l {long}")),
                None => line.push_str(&format!(" -s {}", name.trim_start_matches('-'))),
            }
        }
        match option.value.as_ref().map(|value| &value.kind) {
            None => {}
            Some(ValueKind::File) => line.push_str(" -r -F"),
            Some(ValueKind::Words(words)) => {
                line.push_str(&format!(" -x -a '{}'", words.join(" ")));
            }
            Some(ValueKind::Other) => line.push_str(" -x"),
        }
        script.push_str(&format!("{line} -d '{}'\n", fish_text(option.help)));
    }
    script.push_str(&format!(
        "complete -c skiff -n '{before}' -f -a '(__skiff_hosts)' -d host\n"
    ));
    for form in FORMS {
        let name = form.name;
        let help = fish_text(form.help());
        script.push_str(&format!(
            "complete -c skiff -n '{before}' -f -a {name} -d '{help}'\n"
        ));
        let within = format!("complete -c skiff -n '__fish_seen_subcommand_from {name}'");
        match form.arguments() {
            FormArguments::None => script.push_str(&format!("{within} -f\n")),
            FormArguments::Words(words) => {
                script.push_str(&format!("{within} -f -a '{}'\n", words.join(" ")));
            }
            FormArguments::Names => {
                script.push_str(&format!(
                    "{within} -a '(__skiff_hosts | string replace -r \\$ :)'\n"
                ));
                for option in form.options() {
                    let option = match option.strip_prefix("--") {
                        Some(long) => format!("-l {long}"),
                        None => format!("-s {}", option.trim_start_matches('-')),
                    };
                    script.push_str(&format!("{within} {option}\n"));
                }
            }
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_hears_of_every_option_and_command() {
        for (name, shell) in SHELLS {
            let script = shell.script();
            for option in OPTIONS.iter().flat_map(|option| option.names) {
                let told = match (shell, option.strip_prefix("--")) {
                    (Shell::Fish, Some(long)) => format!(" -l {long}"),
                    (Shell::Fish, None) => format!(" -s {}", option.trim_start_matches('-')),
                    (Shell::Bash | Shell::Zsh, _) => (*option).to_owned(),
                };
                assert!(script.contains(&told), "{name}: {option}");
            }
            assert!(
                form_names().iter().all(|form| script.contains(form)),
                "{name}"
            );
        }
    }
}
