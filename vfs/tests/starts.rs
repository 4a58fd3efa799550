//! Tests of where an upload starts, for each combination of published file and stage.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use skiff_vfs::{Amount, Durability, Home, NameSize, Replace, Start, Upload, VfsError, Worker};

use crate::common::{
    MEBI, Random, World, begin, digest, digests, leave_cut, on_worker, put, request, stage_of,
};

const FILE: &str = "file";
const PUBLISHED: &[u8] = b"published";
const STAGED: &[u8] = b"stage";

/// The published file and the stage of a name.
#[derive(Clone, Copy, Debug)]
enum Has {
    Nothing,
    Stage,
    Published,
    Both,
}

impl Has {
    fn published(self) -> Option<&'static [u8]> {
        match self {
            Self::Nothing | Self::Stage => None,
            Self::Published | Self::Both => Some(PUBLISHED),
        }
    }

    fn staged(self) -> Option<&'static [u8]> {
        match self {
            Self::Nothing | Self::Published => None,
            Self::Stage | Self::Both => Some(STAGED),
        }
    }

    fn make(self, worker: &Worker) -> (World, Arc<Home>) {
        let world = quick();
        let home = world.open(worker);
        if let Some(content) = self.published() {
            put(&home, worker, FILE, content).unwrap();
        }
        if let Some(content) = self.staged() {
            leave_cut(&home, worker, FILE, content);
        }
        assert_eq!(
            home.usage().used,
            charge(self.published(), self.staged()),
            "{self:?}"
        );
        (world, home)
    }
}

/// A world without syncs.
fn quick() -> World {
    let mut world = World::new();
    world.policy.durability = Durability::None;
    world
}

fn charge(published: Option<&[u8]>, staged: Option<&[u8]>) -> Amount {
    let one = |content: Option<&[u8]>| {
        content.map_or(Amount::ZERO, |content| Amount::new(content.len() as u64, 1))
    };
    one(published).plus(one(staged))
}

/// The file that the bytes are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A stage that begins with these bytes.
    Staged(&'static [u8]),
    InPlace,
}

use Start::{End, Offset};
use Way::{InPlace, Staged};

const CELLS: [(Has, Start, Way); 16] = [
    (Has::Nothing, End, Staged(b"")),
    (Has::Nothing, Offset(0), Staged(b"")),
    (Has::Stage, End, Staged(b"stage")),
    (Has::Stage, Offset(0), Staged(b"")),
    (Has::Stage, Offset(3), Staged(b"sta")),
    (Has::Stage, Offset(5), Staged(b"stage")),
    (Has::Published, End, InPlace),
    (Has::Published, Offset(9), InPlace),
    (Has::Published, Offset(0), Staged(b"")),
    (Has::Published, Offset(1), Staged(b"p")),
    (Has::Published, Offset(8), Staged(b"publishe")),
    (Has::Both, End, InPlace),
    (Has::Both, Offset(0), Staged(b"")),
    (Has::Both, Offset(3), Staged(b"sta")),
    (Has::Both, Offset(5), Staged(b"stage")),
    (Has::Both, Start::Stage, Staged(b"stage")),
];

impl Way {
    fn position(self) -> u64 {
        match self {
            Staged(prefix) => prefix.len() as u64,
            InPlace => PUBLISHED.len() as u64,
        }
    }
}

fn published(world: &World) -> Option<Vec<u8>> {
    fs::read(world.at(FILE)).ok()
}

#[test]
fn bytes_go_behind_what_the_cell_says_and_readers_see_old_or_new() {
    on_worker(|worker| {
        for (has, start, way) in CELLS {
            let (world, home) = has.make(worker);
            let mut upload = begin(&home, worker, FILE, start).unwrap();
            assert_eq!(upload.position(), way.position(), "{has:?} {start:?}");
            upload.prepare(worker).unwrap();
            upload.prepare(worker).unwrap();
            assert_eq!(upload.position(), way.position(), "{has:?} {start:?}");
            upload.write(worker, b"-more than there was").unwrap();
            upload.write(worker, b"!").unwrap();
            assert_eq!(upload.position(), way.position() + 21);
            if way != InPlace {
                assert_eq!(published(&world).as_deref(), has.published(), "{has:?}");
            }
            upload.publish(worker, None, None).unwrap();

            let (prefix, stage) = match way {
                Staged(prefix) => (prefix, None),
                InPlace => (PUBLISHED, has.staged()),
            };
            let expected = [prefix, b"-more than there was!"].concat();
            assert_eq!(published(&world).unwrap(), expected, "{has:?} {start:?}");
            let left = stage_of(&world, FILE).map(|(content, _)| content);
            assert_eq!(left.as_deref(), stage, "{has:?} {start:?}");
            assert_eq!(home.usage().used, charge(Some(&expected), stage));
            world.check(&home, worker);
        }
    });
}

#[test]
fn an_offset_behind_what_there_is_is_refused_and_nothing_touched() {
    on_worker(|worker| {
        for (has, offset, size) in [
            (Has::Nothing, 1, 0),
            (Has::Stage, 6, 5),
            (Has::Published, 10, 9),
            (Has::Both, 6, 5),
            (Has::Both, 9, 5),
            (Has::Both, u64::MAX, 5),
        ] {
            let (world, home) = has.make(worker);
            let refused = begin(&home, worker, FILE, Offset(offset));
            let told = match refused {
                Err(VfsError::BadOffset { offset, size }) => (offset, size),
                other => panic!("{has:?}: {other:?}"),
            };
            assert_eq!(told, (offset, size), "{has:?}");
            check_untouched(&world, &home, worker, has);
        }
    });
}

/// How an upload ends unpublished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Drop,
    Suspend,
    Discard,
}

const STOPS: [Stop; 3] = [Stop::Drop, Stop::Suspend, Stop::Discard];

fn stop(upload: Upload, worker: &Worker, how: Stop) {
    match how {
        Stop::Drop => drop(upload),
        Stop::Suspend => upload.suspend(worker),
        Stop::Discard => upload.discard(worker),
    }
}

fn check_untouched(world: &World, home: &Arc<Home>, worker: &Worker, has: Has) {
    assert_eq!(published(world).as_deref(), has.published(), "{has:?}");
    let staged = stage_of(world, FILE).map(|(content, _)| content);
    assert_eq!(staged.as_deref(), has.staged(), "{has:?}");
    assert_eq!(home.usage().used, charge(has.published(), has.staged()));
    world.check(home, worker);
}

#[test]
fn what_ends_before_it_is_prepared_leaves_the_name_as_it_was() {
    on_worker(|worker| {
        for (has, start, _) in CELLS
            .into_iter()
            .filter(|(_, start, _)| *start != Start::Stage)
        {
            for how in STOPS {
                let (world, home) = has.make(worker);
                let known = |home: &Home| {
                    let file = home.download(worker, Path::new(FILE));
                    file.map(|file| (file.digests(), file.modified())).ok()
                };
                let before = (known(&home), stage_of(&world, FILE));
                let upload = begin(&home, worker, FILE, start).unwrap();
                stop(upload, worker, how);
                assert_eq!(
                    (known(&home), stage_of(&world, FILE)),
                    before,
                    "{has:?} {start:?}"
                );
                check_untouched(&world, &home, worker, has);
            }
        }
    });
}

#[test]
fn what_is_suspended_keeps_its_stage_and_never_a_part_of_an_append() {
    on_worker(|worker| {
        for (has, start, way) in CELLS {
            for how in STOPS {
                let (world, home) = has.make(worker);
                let mut upload = begin(&home, worker, FILE, start).unwrap();
                upload.prepare(worker).unwrap();
                upload.write(worker, b"+and more").unwrap();
                stop(upload, worker, how);

                assert_eq!(published(&world).as_deref(), has.published(), "{has:?}");
                let expected = match way {
                    InPlace => has.staged().map(<[u8]>::to_vec),
                    Staged(_) if how == Stop::Discard => None,
                    Staged(prefix) => Some([prefix, b"+and mor"].concat()),
                };
                let staged = stage_of(&world, FILE).map(|(content, _)| content);
                assert_eq!(staged, expected, "{has:?} {start:?}");
                let charged = charge(has.published(), expected.as_deref());
                assert_eq!(home.usage().used, charged, "{has:?} {start:?}");
                world.check(&home, worker);
            }
        }
    });
}

#[test]
fn a_write_or_a_publication_prepares_where_nobody_did() {
    on_worker(|worker| {
        for (has, start, way) in CELLS {
            let (world, home) = has.make(worker);
            let mut upload = begin(&home, worker, FILE, start).unwrap();
            upload.write(worker, b"+").unwrap();
            assert_eq!(upload.file_len(), way.position() + 1, "{has:?} {start:?}");
            drop(upload);
            world.check(&home, worker);

            let (world, home) = has.make(worker);
            let upload = begin(&home, worker, FILE, start).unwrap();
            let size = upload.publish(worker, None, None).unwrap().size;
            assert_eq!(size, way.position(), "{has:?} {start:?}");
            world.check(&home, worker);
        }
    });
}

#[test]
fn starting_over_drops_what_was_to_be_prepared() {
    on_worker(|worker| {
        for (has, start, way) in CELLS {
            for prepared in [false, true] {
                let (world, home) = has.make(worker);
                let mut upload = begin(&home, worker, FILE, start).unwrap();
                if prepared {
                    upload.write(worker, b"wrong").unwrap();
                }
                upload.restart(worker).unwrap();
                let from = if way == InPlace { PUBLISHED } else { b"" };
                assert_eq!(upload.position(), from.len() as u64, "{has:?} {start:?}");
                upload.write(worker, b"right").unwrap();
                upload.publish(worker, None, None).unwrap();
                assert_eq!(published(&world).unwrap(), [from, b"right"].concat());
                world.check(&home, worker);
            }
        }
    });
}

#[test]
fn without_replace_a_published_file_is_refused_wherever_one_starts() {
    on_worker(|worker| {
        for has in [Has::Published, Has::Both] {
            for start in [End, Offset(0), Offset(3), Offset(9)] {
                let (world, home) = has.make(worker);
                let request = skiff_vfs::UploadRequest {
                    start,
                    ..request(None, Replace::Never)
                };
                let refused = home.upload(worker, Path::new(FILE), &request);
                assert!(matches!(refused, Err(VfsError::Exists)), "{refused:?}");
                check_untouched(&world, &home, worker, has);
            }
        }
    });
}

#[test]
fn a_large_prefix_is_copied_whole_and_charged_once() {
    on_worker(|worker| {
        let mut world = World::new();
        world.limit = Amount::new(18 * MEBI + 10, 10);
        let home = world.open(worker);
        let content: Vec<u8> = (0..=250).cycle().take(18 * MEBI as usize).collect();
        put(&home, worker, FILE, &content).unwrap();
        let prefix = content.len() - 1;
        let mut upload = begin(&home, worker, FILE, Offset(prefix as u64)).unwrap();
        upload.prepare(worker).unwrap();
        // The copy takes space on the disk, but is not charged.
        assert_eq!(home.usage().used, Amount::new(18 * MEBI, 1));
        upload.write(worker, b"0123456789A").unwrap();
        let over = upload.write(worker, b"B");
        assert!(matches!(over, Err(VfsError::OverQuota { .. })), "{over:?}");
        assert!(published(&world).unwrap() == content, "readers see the old");
        upload.publish(worker, None, None).unwrap();
        let expected = [&content[..prefix], b"0123456789A"].concat();
        assert!(published(&world).unwrap() == expected);
        world.check(&home, worker);
    });
}

#[test]
fn a_file_that_shrank_behind_our_back_is_not_copied() {
    on_worker(|worker| {
        let (world, home) = Has::Published.make(worker);
        let mut upload = begin(&home, worker, FILE, Offset(8)).unwrap();
        fs::write(world.at(FILE), "short").unwrap();
        let refused = upload.prepare(worker);
        assert!(
            matches!(refused, Err(VfsError::BadOffset { offset: 8, size: 5 })),
            "{refused:?}"
        );
        upload.suspend(worker);
        assert_eq!(stage_of(&world, FILE), None);
        assert_eq!(published(&world).unwrap(), b"short");
        home.scan(worker).unwrap();
        world.check(&home, worker);
    });
}

/// The published file and the stage of a name, in the words of the table.
#[derive(Clone, Debug, Default)]
struct Model {
    published: Option<Vec<u8>>,
    staged: Option<Vec<u8>>,
}

impl Model {
    /// The way of an upload: its content so far, and whether it is the published file itself.
    fn way(&self, start: Start) -> Option<(Vec<u8>, bool)> {
        let staged = self.staged.as_deref();
        match (start, &self.published) {
            (End, Some(published)) => Some((published.clone(), true)),
            (End, None) | (Start::Stage, _) => Some((staged.unwrap_or_default().to_vec(), false)),
            (Offset(0), _) => Some((Vec::new(), false)),
            (Offset(at), published) => {
                let base = staged.or(published.as_deref())?;
                let in_place = staged.is_none() && at == base.len() as u64;
                Some((base.get(..at as usize)?.to_vec(), in_place))
            }
        }
    }
}

#[test]
fn random_uploads_leave_what_the_table_says() {
    on_worker(|worker| {
        for seed in 1..=40 {
            let mut random = Random(seed);
            let world = quick();
            let home = world.open(worker);
            let mut models = BTreeMap::from(["a", "b"].map(|name| (name, Model::default())));
            for _ in 0..60 {
                let name = *random.pick(&["a", "b"]);
                let model = models.get_mut(name).unwrap();
                one_upload(&home, worker, &mut random, name, model);
                for (name, model) in &models {
                    let staged = stage_of(&world, name).map(|(content, _)| content);
                    assert_eq!(staged, model.staged, "seed {seed}, stage of {name}");
                    let published = fs::read(world.at(name)).ok();
                    assert_eq!(published, model.published, "seed {seed}, {name}");
                }
            }
            world.check(&home, worker);
        }
    });
}

fn one_upload(
    home: &Arc<Home>,
    worker: &Worker,
    random: &mut Random,
    name: &str,
    model: &mut Model,
) {
    let offset = Offset(random.below(12));
    let start = *random.pick(&[End, Start::Stage, offset, offset]);
    let began = begin(home, worker, name, start);
    let Some((mut content, in_place)) = model.way(start) else {
        assert!(matches!(began, Err(VfsError::BadOffset { .. })));
        return;
    };
    let mut upload = began.unwrap();
    assert_eq!(upload.position(), content.len() as u64);
    let (prepared, mut came) = (random.below(4) > 0, 0);
    if prepared {
        upload.prepare(worker).unwrap();
        let data = vec![b'a' + random.below(26) as u8; random.below(8) as usize];
        upload.write(worker, &data).unwrap();
        came = data.len();
        content.extend(data);
    }
    let untouched = in_place || (!prepared && start != Start::Stage);
    match random.below(4) {
        0 if !untouched => {
            upload.discard(worker);
            model.staged = None;
        }
        0 | 1 => {
            upload.suspend(worker);
            if !untouched {
                // What was cut before is not cut again where no byte came.
                if came > 0 || model.staged.is_none() {
                    content.pop();
                }
                model.staged = Some(content).filter(|content| !content.is_empty());
            }
        }
        _ => {
            upload
                .publish(worker, Some(digest(&content)), None)
                .unwrap();
            let file = home.download(worker, Path::new(name)).unwrap();
            assert_eq!(file.digests(), Some(digests(&content)));
            model.published = Some(content);
            model.staged = model.staged.take().filter(|_| in_place);
        }
    }
    let size = match (&model.published, &model.staged) {
        (Some(published), None) => Some(NameSize::Published(published.len() as u64)),
        (None, Some(staged)) => Some(NameSize::Staged(staged.len() as u64)),
        (Some(_), Some(_)) => Some(NameSize::Both),
        (None, None) => None,
    };
    assert_eq!(home.size(worker, Path::new(name)).ok(), size);
}
