//! Good schemas, in full.

use super::WHITEPAPER;
use super::shown::shown;

#[test]
fn the_whitepaper_schema() {
    insta::assert_snapshot!(shown(WHITEPAPER), @r##"
model Post by id
  id: ID!
  title: String!
  rating: Int!
  status: PostStatus!
  tags: [String]
  place: Location
  comments: [Comment] -> HasMany Comment by index byPost (id), limit 100
  editors: [User] -> HasMany PostEditor by index byPost (id), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getPost listPosts syncPosts createPost updatePost deletePost onCreatePost onUpdatePost onDeletePost
  timestamps createdAt updatedAt
model Comment by id
  id: ID!
  postID: ID
  content: String!
  post: Post -> BelongsTo Post by key (postID), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index byPost by postID, query commentsByPost
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getComment listComments syncComments createComment updateComment deleteComment onCreateComment onUpdateComment onDeleteComment
  timestamps createdAt updatedAt
model User by id
  id: ID!
  username: String!
  posts: [Post] -> HasMany PostEditor by index byUser (id), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getUser listUsers syncUsers createUser updateUser deleteUser onCreateUser onUpdateUser onDeleteUser
  timestamps createdAt updatedAt
model Stock by custom sku#warehouse
  sku: ID!
  warehouse: String!
  count: Int!
  note: String
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getStock listStocks syncStocks createStock updateStock deleteStock onCreateStock onUpdateStock onDeleteStock
  timestamps createdAt updatedAt
model PostEditor by id
  id: ID! (GeneratedId)
  postId: ID! (ForeignKey)
  userId: ID! (ForeignKey)
  post: Post! -> BelongsTo Post by key (postId), limit 100
  user: User! -> BelongsTo User by key (userId), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index byPost by postId, query postEditorsByPostId
  index byUser by userId, query postEditorsByUserId
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getPostEditor listPostEditors syncPostEditors createPostEditor updatePostEditor deletePostEditor onCreatePostEditor onUpdatePostEditor onDeletePostEditor
  timestamps createdAt updatedAt
type Location
  city: String!
  country: String
  lines: [String!]
enum PostStatus: ACTIVE INACTIVE
"##);
}

#[test]
fn implicit_relations_make_foreign_keys_and_indexes() {
    insta::assert_snapshot!(
        shown(
            r#"
            input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
            type Blog @model { tenant: ID! @primaryKey(sortKeyFields: ["nr"]) nr: Int! posts: [Post!]! @hasMany(limit: 5) }
            type Post @model { title: String blog: Blog @belongsTo cover: Image! @hasOne }
            type Image @model { id: ID! url: AWSURL post: Post @belongsTo }
            "#
        ),
        @r##"
sandbox
model Blog by custom tenant#nr
  tenant: ID!
  nr: Int!
  posts: [Post!] -> HasMany Post by index gsi-Blog.posts (tenant, nr), limit 5
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  operations getBlog listBlogs syncBlogs createBlog updateBlog deleteBlog onCreateBlog onUpdateBlog onDeleteBlog
  timestamps createdAt updatedAt
model Post by id
  id: ID! (GeneratedId)
  title: String
  blog: Blog -> BelongsTo Blog by key (blogPostsTenant, blogPostsNr), limit 100
  cover: Image! -> HasOne Image by key (postCoverId), limit 100
  blogPostsTenant: ID! (ForeignKey)
  blogPostsNr: Int! (ForeignKey)
  postCoverId: ID! (ForeignKey)
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index gsi-Blog.posts by blogPostsTenant#blogPostsNr, query -
  operations getPost listPosts syncPosts createPost updatePost deletePost onCreatePost onUpdatePost onDeletePost
  timestamps createdAt updatedAt
model Image by id
  id: ID!
  url: AWSURL
  post: Post -> BelongsTo Post by key (imagePostId), limit 100
  imagePostId: ID (ForeignKey)
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  operations getImage listImages syncImages createImage updateImage deleteImage onCreateImage onUpdateImage onDeleteImage
  timestamps createdAt updatedAt
"##
    );
}

#[test]
fn explicit_relations_go_by_their_fields() {
    insta::assert_snapshot!(
        shown(
            r#"
            input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
            type Node @model {
              id: ID!
              parentID: ID @index(name: "byParent", sortKeyFields: ["rank"])
              rank: Int
              parent: Node @belongsTo(fields: ["parentID"])
              children: [Node] @hasMany(indexName: "byParent", fields: ["id"])
              nextID: ID
              next: Node @hasOne(fields: ["nextID"])
            }
            "#
        ),
        @r##"
sandbox
model Node by id
  id: ID!
  parentID: ID
  rank: Int
  parent: Node -> BelongsTo Node by key (parentID), limit 100
  children: [Node] -> HasMany Node by index byParent (id), limit 100
  nextID: ID
  next: Node -> HasOne Node by key (nextID), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index byParent by parentID#rank, query nodesByParentIDAndRank
  operations getNode listNodes syncNodes createNode updateNode deleteNode onCreateNode onUpdateNode onDeleteNode
  timestamps createdAt updatedAt
"##
    );
}

#[test]
fn relations_by_references() {
    insta::assert_snapshot!(
        shown(
            r#"
            input AMPLIFY { globalAuthRule: AuthRule = { allow: public } }
            type Store @model {
              tenant: ID! @primaryKey(sortKeyFields: ["name"])
              name: String!
              orders: [Order] @hasMany(references: ["storeTenant", "storeName"])
              safe: Safe @hasOne(references: ["storeTenant", "storeName"])
            }
            type Order @model { storeTenant: ID storeName: String store: Store @belongsTo(references: ["storeTenant", "storeName"]) }
            type Safe @model { storeTenant: String! storeName: String! store: Store @belongsTo(references: ["storeTenant", "storeName"]) }
            "#
        ),
        @r##"
sandbox
model Store by custom tenant#name
  tenant: ID!
  name: String!
  orders: [Order] -> HasMany Order by index gsi-Store.orders (tenant, name), limit 100
  safe: Safe -> HasOne Safe by index gsi-Store.safe (tenant, name), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  operations getStore listStores syncStores createStore updateStore deleteStore onCreateStore onUpdateStore onDeleteStore
  timestamps createdAt updatedAt
model Order by id
  id: ID! (GeneratedId)
  storeTenant: ID
  storeName: String
  store: Store -> BelongsTo Store by key (storeTenant, storeName), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index gsi-Store.orders by storeTenant#storeName, query -
  operations getOrder listOrders syncOrders createOrder updateOrder deleteOrder onCreateOrder onUpdateOrder onDeleteOrder
  timestamps createdAt updatedAt
model Safe by id
  id: ID! (GeneratedId)
  storeTenant: String!
  storeName: String!
  store: Store -> BelongsTo Store by key (storeTenant, storeName), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index gsi-Store.safe by storeTenant#storeName, query -
  operations getSafe listSafes syncSafes createSafe updateSafe deleteSafe onCreateSafe onUpdateSafe onDeleteSafe
  timestamps createdAt updatedAt
"##
    );
}

#[test]
fn a_many_to_many_relation_is_a_join_model_with_the_rules_of_both_sides() {
    insta::assert_snapshot!(
        shown(
            r#"
            type Course @model @auth(rules: [{ allow: public, operations: [read] }]) {
              code: ID! @primaryKey(sortKeyFields: ["term"])
              term: String!
              students: [Student] @manyToMany(relationName: "enrolment", limit: 50)
            }
            type Student @model @auth(rules: [{ allow: public, operations: [create] }]) {
              courses: [Course] @manyToMany(relationName: "enrolment")
            }
            "#
        ),
        @r##"
model Course by custom code#term
  code: ID!
  term: String!
  students: [Student] -> HasMany Enrolment by index byCourse (code, term), limit 50
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Get, List, Search, Listen, Sync]
  operations getCourse listCourses syncCourses createCourse updateCourse deleteCourse onCreateCourse onUpdateCourse onDeleteCourse
  timestamps createdAt updatedAt
model Student by id
  id: ID! (GeneratedId)
  courses: [Course] -> HasMany Enrolment by index byStudent (id), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Create]
  operations getStudent listStudents syncStudents createStudent updateStudent deleteStudent onCreateStudent onUpdateStudent onDeleteStudent
  timestamps createdAt updatedAt
model Enrolment by id
  id: ID! (GeneratedId)
  courseCode: ID! (ForeignKey)
  courseterm: String! (ForeignKey)
  studentId: ID! (ForeignKey)
  course: Course! -> BelongsTo Course by key (courseCode, courseterm), limit 100
  student: Student! -> BelongsTo Student by key (studentId), limit 100
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  index byCourse by courseCode#courseterm, query enrolmentsByCourseCodeAndCourseterm
  index byStudent by studentId, query enrolmentsByStudentId
  allow Public by ApiKey: [Create]
  operations getEnrolment listEnrolments syncEnrolments createEnrolment updateEnrolment deleteEnrolment onCreateEnrolment onUpdateEnrolment onDeleteEnrolment
  timestamps createdAt updatedAt
"##
    );
}

#[test]
fn nested_types_enums_inputs_and_everything_a_field_can_be() {
    insta::assert_snapshot!(
        shown(
            r#"
            "A shop."
            type Shop @model(subscriptions: { level: public }, timestamps: null) @auth(rules: { allow: public }) {
              place: Place!
              places: [ Place ! ]
              size: Size! @default(value: "SMALL")
              open: [AWSTime!]!
              visits: Int @default(value: "0")
              owner: Person
            }
            type Person @model @auth(rules: [{ allow: public }]) { id: ID! }
            type Place { city: String, above: [Place], size: Size }
            enum Size { SMALL LARGE }
            input PlaceInput { city: String! = "Rome" inner: PlaceInput }
            extend type Shop { name: String }
            "#
        ),
        @r##"
schema.graphql:9:15: warning[relation-missing]: `Shop.owner` is always null: nothing says how it finds its `Person`.
 9 |               owner: Person
   |               ^
 help: Add `@hasOne` or `@belongsTo`.
model Shop by id
  id: ID! (GeneratedId)
  place: Place!
  places: [Place!]
  size: Size! = "SMALL"
  open: [AWSTime!]!
  visits: Int = 0
  owner: Person
  name: String (Extension)
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getShop listShops syncShops createShop updateShop deleteShop onCreateShop onUpdateShop onDeleteShop (open)
  timestamps - -
model Person by id
  id: ID!
  createdAt: AWSDateTime! (Timestamp)
  updatedAt: AWSDateTime! (Timestamp)
  allow Public by ApiKey: [Create, Update, Delete, Get, List, Search, Listen, Sync]
  operations getPerson listPeople syncPeople createPerson updatePerson deletePerson onCreatePerson onUpdatePerson onDeletePerson
  timestamps createdAt updatedAt
type Place
  city: String
  above: [Place]
  size: Size
input PlaceInput
  city: String! = "Rome"
  inner: PlaceInput
enum Size: SMALL LARGE
"##
    );
}
