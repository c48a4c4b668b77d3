//! Paths from outside (archive members, lock entries, links) that must stay inside the folder they
//! are unpacked into.

/// The path with `.` and doubled slashes taken out, or what is wrong with it. A trailing slash stays.
pub(super) fn inside(path: &str) -> Result<String, &'static str> {
    let drive = matches!(path.as_bytes(), [_, b':', b'/' | b'\\', ..]);
    if path.starts_with(['/', '\\']) || drive {
        return Err("its path is absolute");
    }
    if path.contains('\0') {
        return Err("its path holds a zero byte");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // A backslash is an ordinary character in a name here, but not everywhere.
    if path.split(['/', '\\']).any(|part| part == "..") {
        return Err("its path leaves the folder by `..`");
    }
    let slash = if path.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    Ok(parts.join("/") + slash)
}

/// Where a link at `link` (a path that [`inside`] gave) to `target` points, relative to the folder.
pub(super) fn link_inside(link: &str, target: &str) -> Result<String, &'static str> {
    if target.starts_with('/') || target.contains('\\') {
        return Err("it links to an absolute path");
    }
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("it links to a place outside the folder")?;
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_stays_inside_is_only_tidied() {
        assert_eq!(inside("./qa//web-dev.json").as_deref(), Ok("qa/web-dev.json"));
        assert_eq!(inside("evidence/wikipedia/").as_deref(), Ok("evidence/wikipedia/"));
        assert_eq!(inside("a/..b/...").as_deref(), Ok("a/..b/..."));
        assert_eq!(inside("./").as_deref(), Ok(""));
    }

    #[test]
    fn a_path_that_leaves_is_refused() {
        for path in ["/etc/passwd", "../a", "a/../../b", "a/..", "..\\a", "C:/a", "\\a", "a\0b"] {
            assert!(inside(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_link_is_followed_on_paper_only() {
        assert_eq!(link_inside("a/b/link", "../c").as_deref(), Ok("a/c"));
        assert_eq!(link_inside("link", "a").as_deref(), Ok("a"));
        assert!(link_inside("a/link", "../../etc").is_err());
        assert!(link_inside("link", "/etc/passwd").is_err());
    }
}
