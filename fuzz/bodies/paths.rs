//! Virtual paths against a list of names, and native escapes both ways.

use skiff_sessions::path::{ParentOfRoot, PathArg, SENT_PATH_MAX, VirtualPath};
use skiff_sessions::wire::native::path_escape::{decode_path, push_path};

use super::input::Input;

pub(crate) fn paths(data: &[u8]) {
    let mut input = Input::new(data);
    let mut cwd = VirtualPath::root();
    let mut names = Vec::new();
    while !input.is_empty() {
        let rule = *input.pick(&[ParentOfRoot::Refused, ParentOfRoot::IsRoot]);
        let text = input.chunk();
        escapes(text);
        let Some(arg) = argument(text) else { continue };
        for rule in [ParentOfRoot::Refused, ParentOfRoot::IsRoot] {
            let resolved = cwd.resolve(&arg, rule).ok();
            let expected = resolve(&names, text, rule);
            assert_eq!(
                resolved.as_ref().map(VirtualPath::as_bytes),
                expected.as_deref().map(written).as_deref()
            );
        }
        if let (Ok(to), Some(leads)) = (cwd.resolve(&arg, rule), resolve(&names, text, rule)) {
            check(&to);
            (cwd, names) = (to, leads);
        }
    }
}

/// Takes a text as an argument, which is refused for two causes only.
fn argument(text: &[u8]) -> Option<PathArg> {
    let arg = PathArg::new(text);
    assert_eq!(arg.is_some(), !text.is_empty() && !text.contains(&0));
    let sendable = PathArg::to_send(text);
    assert_eq!(
        sendable,
        arg.clone().filter(|_| text.len() <= SENT_PATH_MAX)
    );
    arg
}

fn resolve(cwd: &[Vec<u8>], arg: &[u8], rule: ParentOfRoot) -> Option<Vec<Vec<u8>>> {
    let mut names = match arg.first() {
        Some(b'/') => Vec::new(),
        _ => cwd.to_vec(),
    };
    for part in arg.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if names.pop().is_none() && rule == ParentOfRoot::Refused => return None,
            b".." => {}
            name => names.push(name.to_vec()),
        }
    }
    Some(names)
}

fn written(names: &[Vec<u8>]) -> Vec<u8> {
    match names {
        [] => b"/".to_vec(),
        names => names.iter().flat_map(|n| [b"/", &n[..]].concat()).collect(),
    }
}

/// What holds for every path: it is itself again, and no name of it leads elsewhere.
fn check(path: &VirtualPath) {
    let below = path.below_home();
    assert!(!below.starts_with(b"/") && !below.ends_with(b"/"));
    let names = below.split(|&b| b == b'/').filter(|_| !below.is_empty());
    assert!(!names.into_iter().any(|n| matches!(n, b"" | b"." | b"..")));
    let itself = PathArg::new(path.as_bytes()).unwrap();
    assert_eq!(VirtualPath::root().join(&itself).as_ref(), Ok(path));
    assert_eq!(path.clone().into_bytes(), path.as_bytes());
    assert!(path.to_string().starts_with('/'));
}

/// Every name can be written in a line and is read again; what is read was written by somebody.
fn escapes(name: &[u8]) {
    let mut line = Vec::new();
    push_path(name, &mut line);
    assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
    let line = String::from_utf8(line).unwrap();
    assert_eq!(decode_path(&line).as_deref(), Some(name));
    let Ok(typed) = std::str::from_utf8(name) else {
        return;
    };
    match decode_path(typed) {
        Some(decoded) => assert!(decoded.len() <= name.len()),
        None => assert!(typed.contains('%')),
    }
}
