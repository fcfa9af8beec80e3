//! Running a test again in a process that may mount file systems, or may do less than this one.

use std::process::Command;

const CHILD: &str = "ROOKERY_TEST_CHILD";

/// Runs a test again where it is root of a user namespace, and its mounts are its own and vanish with it.
/// True in that process; false in the first one, once the other has passed.
pub fn with_private_mounts(test: &str) -> bool {
    std::env::var_os(CHILD).is_some() || passes_in_child(&["unshare", "--map-root-user", "--mount"], test)
}

/// Runs a test again as a user who may do nothing but what the modes of files allow. True and false as above.
pub fn without_capabilities(test: &str) -> bool {
    std::env::var_os(CHILD).is_some()
        || passes_in_child(&["unshare", "--map-root-user", "setpriv", "--inh-caps=-all", "--bounding-set=-all"], test)
}

fn passes_in_child(wrapper: &[&str], test: &str) -> bool {
    let exe = std::env::current_exe().expect("this binary");
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(exe).args(["--exact", test, "--nocapture"]).env(CHILD, "1");
    let output = command.output().expect("unshare and setpriv, of util-linux, run");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    // A misspelt name would run no test, and pass.
    assert!(String::from_utf8_lossy(&told).contains("1 passed"), "there is no test {test}");
    false
}

/// Runs a tool and insists that it succeeds.
pub fn tool(name: &str, arguments: &[&str]) {
    let status = Command::new(name).args(arguments).status().expect("the tool runs");
    assert!(status.success(), "{name} {arguments:?}: {status}");
}
